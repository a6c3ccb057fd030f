/** The `pilotage` command as its users start it: by Node with the options in the first line of the program. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const program = join(import.meta.dirname, '../../bin/pilotage.ts')

/** Of Node, for the program. */
export const programOptions: readonly string[] = optionsIn(readFileSync(program, 'utf8'))

/** What follows Node on the command line: its options, the program, then the words. */
export function programLine(...words: readonly string[]): string[] {
  return [...programOptions, program, ...words]
}

function optionsIn(text: string): readonly string[] {
  const options = /^#!\/usr\/bin\/env -S node (.+)\n/.exec(text)?.[1]
  if (options === undefined) throw new Error('the first line of bin/pilotage.ts names no options of Node')
  return options.split(' ')
}
