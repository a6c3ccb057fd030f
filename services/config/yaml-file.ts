/**
 * A configuration as a file: read whole, bounded, and parsed as YAML. What its keys mean is for its reader to say.
 */

import { readFileSync, statSync } from 'node:fs'
import { parse } from 'yaml'
import { PilotageError } from '../../core/kernel/errors.ts'
import { utf8Text } from '../../core/kernel/file-text.ts'
import { parserText } from '../../core/kernel/text.ts'

/** A configuration is some kilobytes; more is a mistake. */
const maxFileBytes = 1024 * 1024

/** Throws `invalid-argument` for what is no YAML, and `too-large`. */
export function readYamlFile(path: string): unknown {
  const { size } = statSync(path)
  if (size > maxFileBytes) throw new PilotageError('too-large', `${path} has ${size} bytes, at most ${maxFileBytes}`)
  try {
    return parse(utf8Text(readFileSync(path), path), { maxAliasCount: 100 })
  } catch (cause) {
    if (cause instanceof PilotageError) throw cause
    throw new PilotageError('invalid-argument', `${path} is not YAML: ${parserText(cause)}`, { cause })
  }
}
