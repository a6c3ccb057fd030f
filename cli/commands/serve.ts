/**
 * `pilotage serve`: runs the service in this process until a signal stops it. Its log is written to standard output.
 */

import type { Command } from 'commander'
import { processRoles } from '../../core/model/process-role.ts'
import { type Choose, withoutService } from '../action.ts'
import { repeated } from '../arguments.ts'
import { defaultDataDir, type ExitCode, type Setting } from '../setting.ts'

type ServeOptions = { readonly config?: string; readonly data: string; readonly role?: readonly string[] }

export function addServeCommand(program: Command, choose: Choose): void {
  program
    .command('serve')
    .description('run the service until SIGTERM or SIGINT stops it; SIGHUP reads the configuration again')
    .option('--config <file>', 'configuration (default: one local cloud)')
    .option('--data <directory>', 'data directory', defaultDataDir)
    .option(
      '--role <roles>',
      `roles of the process, separated by commas: ${processRoles.join(', ')} (default: all)`,
      repeated,
    )
    .configureHelp({ showGlobalOptions: false })
    .action(withoutService(choose, runService))
}

async function runService({ environment, signal, onReload }: Setting, options: ServeOptions): Promise<ExitCode> {
  // A hang-up never ends a service, not even one that is still starting.
  onReload(() => {})
  const { serve } = await import('../../services/run/serve.ts')
  const { config: configFile, data: dataDir, role: roles = [] } = options
  return (await serve({ configFile, dataDir, roles, environment, signal, onReload })) ? 0 : 1
}
