/**
 * Checks a configuration file as the service would at its start, without starting anything. Files that the configuration
 * names (certificates, credentials) are not opened: they may lie on another machine.
 */

import { existsSync } from 'node:fs'
import { PilotageError } from '../../core/kernel/errors.ts'
import { readConfigFile } from './configuration.ts'

/** Throws `invalid-argument` with every violation. */
export function checkConfig(file: string): { readonly store: string; readonly clouds: readonly string[] } {
  if (!existsSync(file)) throw new PilotageError('not-found', `there is no file ${file}`)
  const { store, clouds } = readConfigFile(file)
  return { store: store.kind, clouds: clouds.map(({ name }) => name) }
}
