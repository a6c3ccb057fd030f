/**
 * `pilotage config check`: reads a configuration of the service as `serve` would, and lists everything that is wrong with it.
 */

import type { Command } from 'commander'
import { type Choose, withoutService } from '../action.ts'
import { jsonLine } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

export function addConfigCommands(program: Command, choose: Choose): void {
  program
    .command('config')
    .description('check the configuration of the service')
    .command('check <file>')
    .description('check a configuration file; lists each wrong key with the accepted values; needs no service')
    .configureHelp({ showGlobalOptions: false })
    .action(withoutService(choose, check))
}

async function check({ terminal }: Setting, { json }: CommonOptions, file: string): Promise<ExitCode> {
  const { checkConfig } = await import('../../services/run/check-config.ts')
  const { clouds, store } = checkConfig(file)
  const names = clouds.join(', ') || 'none'
  await terminal.write(json ? jsonLine({ file, store, clouds }) : `${file}: ok (store: ${store}; clouds: ${names})\n`)
  return 0
}
