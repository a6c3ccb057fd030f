/**
 * What a command of the program does when it is chosen. Reading the command line only chooses; the chosen work runs
 * afterwards, in the setting that it is given. Options of the whole program count wherever they stand on the line.
 */

import type { Command } from 'commander'
import type { PilotageClient } from '../client/pilotage-client.ts'
import { withClient } from './connection.ts'
import type { CommonOptions, ExitCode, Setting } from './setting.ts'

export type Run = (setting: Setting) => Promise<ExitCode>
export type Choose = (run: Run) => void

/** For a command that needs a client. `work` gets the command's arguments behind its options. */
export function withService<Options extends CommonOptions, Arguments extends readonly unknown[]>(
  choose: Choose,
  work: (setting: Setting, client: PilotageClient, options: Options, ...given: Arguments) => Promise<ExitCode>,
): (...given: unknown[]) => void {
  return withoutService<Options, Arguments>(choose, (setting, options, ...given) =>
    withClient(setting, options, (client) => work(setting, client, options, ...given)),
  )
}

/** For a command that needs no client. */
export function withoutService<Options extends object, Arguments extends readonly unknown[]>(
  choose: Choose,
  work: (setting: Setting, options: Options, ...given: Arguments) => Promise<ExitCode>,
): (...given: unknown[]) => void {
  return (...given) => {
    // Commander calls an action with the arguments, the command's own options and the command.
    const command = given.at(-1) as Command
    const options = command.optsWithGlobals<Options>()
    choose((setting) => work(setting, options, ...(given.slice(0, -2) as unknown as Arguments)))
  }
}
