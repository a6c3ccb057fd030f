/**
 * The choice of a command: reading the command line only says what shall run; it runs afterwards, in a given setting.
 */

import type { Command } from 'commander'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { type CommonOptions, type ExitCode, type Setting, withClient } from './setting.ts'

export type Run = (setting: Setting) => Promise<ExitCode>
export type Choose = (run: Run) => void

/** For a command that needs nothing but a client. */
export function withService<Options extends CommonOptions>(
  choose: Choose,
  command: Command,
  work: (setting: Setting, client: PilotageClient, options: Options) => Promise<ExitCode>,
): void {
  const options = command.optsWithGlobals<Options>()
  choose((setting) => withClient(setting, options, (client) => work(setting, client, options)))
}
