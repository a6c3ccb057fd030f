/**
 * `pilotage config`: keeps contexts (contexts.ts), checks a configuration of the service as `serve` would read it, and
 * prints the schema for editors. Files that a configuration names (certificates, credentials) are not opened: they may
 * lie on another machine.
 */

import { existsSync } from 'node:fs'
import type { Command } from 'commander'
import { PilotageError } from '../../core/kernel/errors.ts'
import { type Choose, withoutService } from '../action.ts'
import { addContextKeepingCommands } from './contexts.ts'
import { jsonLine } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

export function addConfigCommands(program: Command, choose: Choose): void {
  const config = program
    .command('config')
    .description('keep contexts (service, token, CA); check the configuration of a service, or print its schema')
  config
    .command('check <file>')
    .description('check a configuration file; lists each wrong key with the accepted values; needs no service')
    .configureHelp({ showGlobalOptions: false })
    .action(withoutService(choose, check))
  config
    .command('schema')
    .description('print the JSON Schema of the configuration, for editors; needs no service')
    .configureHelp({ showGlobalOptions: false })
    .action(withoutService(choose, schema))
  addContextKeepingCommands(config, choose)
}

async function check({ terminal }: Setting, { json }: CommonOptions, file: string): Promise<ExitCode> {
  if (!existsSync(file)) throw new PilotageError('not-found', `there is no file ${file}`)
  const { readConfigFile } = await import('../../services/run/configuration.ts')
  const { store, clouds } = readConfigFile(file)
  const names = clouds.map(({ name }) => name)
  const text = `${file}: ok (store: ${store.kind}; clouds: ${names.join(', ') || 'none'})\n`
  await terminal.write(json ? jsonLine({ file, store: store.kind, clouds: names }) : text)
  return 0
}

async function schema({ terminal }: Setting): Promise<ExitCode> {
  const { jsonSchema } = await import('../../services/run/configuration.ts')
  await terminal.write(`${JSON.stringify(jsonSchema(), undefined, 2)}\n`)
  return 0
}
