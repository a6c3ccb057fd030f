/**
 * `pilotage config set-context`, `use-context`, `current-context`, `get-contexts` and `delete-context`: which service the
 * command talks to, and with which token. Needs no service.
 */

import { resolve } from 'node:path'
import { Argument, type Command } from 'commander'
import { PilotageError } from '../../core/kernel/errors.ts'
import { type Choose, withoutService } from '../action.ts'
import { checked, type Context, contextOf, readContexts, writeContexts } from '../contexts.ts'
import { type Column, jsonLine, jsonLines, table } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

/** Completion knows the argument by its name. */
export const contextArgument = 'context'

export function addContextKeepingCommands(config: Command, choose: Choose): void {
  const context = (): Argument => new Argument(`<${contextArgument}>`, 'name of a context')
  config
    .command('set-context')
    .addArgument(context())
    .description('keep --server, --token-file and --ca-file under a name; what is not given stays as it is')
    .action(withoutService(choose, setContext))
  config
    .command('use-context')
    .addArgument(context())
    .description('make a context current: commands use it where no option and no environment variable says otherwise')
    .action(withoutService(choose, useContext))
  config
    .command('current-context')
    .description('print the name of the current context; exit code 1 if there is none')
    .action(withoutService(choose, currentContext))
  config
    .command('get-contexts')
    .description('list contexts')
    .option('-q, --quiet', 'print only the names')
    .action(withoutService(choose, getContexts))
  config
    .command('delete-context')
    .addArgument(context())
    .description('forget a context; the files that it names stay')
    .action(withoutService(choose, deleteContext))
}

type Row = Context & { readonly name: string; readonly isCurrent: boolean }

async function setContext(setting: Setting, options: CommonOptions, name: string): Promise<ExitCode> {
  const kept = readContexts(setting)
  const before = Object.hasOwn(kept.contexts, name) ? kept.contexts[name] : undefined
  const path = (file: string | undefined): string | undefined =>
    file === undefined ? undefined : resolve(setting.workDir, file)
  const server = options.server ?? before?.server
  if (server === undefined)
    throw new PilotageError('invalid-argument', `context ${name} is new: give the address of its service with --server`)
  const tokenFile = path(options.tokenFile) ?? before?.tokenFile
  const caFile = path(options.caFile) ?? before?.caFile
  const context = checked(name, { server, tokenFile, caFile })
  // The first one is what its user means.
  const current = kept.current ?? name
  writeContexts(setting, { current, contexts: { ...kept.contexts, [name]: context } })
  return written(setting, options, { name, ...context, isCurrent: current === name })
}

async function useContext(setting: Setting, options: CommonOptions, name: string): Promise<ExitCode> {
  const kept = readContexts(setting)
  const context = contextOf(kept, name)
  writeContexts(setting, { ...kept, current: name })
  return written(setting, options, { name, ...context, isCurrent: true })
}

async function written({ terminal }: Setting, { json }: CommonOptions, row: Row): Promise<ExitCode> {
  const current = row.isCurrent ? ' (current)' : ''
  await terminal.write(json ? jsonLine(row) : `context ${row.name}: ${row.server}${current}\n`)
  return 0
}

async function currentContext(setting: Setting, { json }: CommonOptions): Promise<ExitCode> {
  const { current } = readContexts(setting)
  if (current === undefined) {
    setting.terminal.say('no context is current; choose one with pilotage config use-context')
    return 1
  }
  await setting.terminal.write(json ? jsonLine({ name: current }) : `${current}\n`)
  return 0
}

const columns: readonly Column<Row>[] = [
  { title: 'CURRENT', cell: ({ isCurrent }) => (isCurrent ? '*' : '') },
  { title: 'CONTEXT', cell: ({ name }) => name },
  { title: 'SERVER', cell: ({ server }) => server },
  { title: 'TOKEN FILE', cell: ({ tokenFile = '-' }) => tokenFile },
  { title: 'CA FILE', cell: ({ caFile = '-' }) => caFile },
]

async function getContexts(
  setting: Setting,
  { json, quiet }: CommonOptions & { readonly quiet?: boolean },
): Promise<ExitCode> {
  const { terminal } = setting
  const { current, contexts } = readContexts(setting)
  const rows = Object.entries(contexts).map(([name, context]) => ({ name, ...context, isCurrent: name === current }))
  if (quiet) await terminal.write(rows.map(({ name }) => `${name}\n`).join(''))
  else await terminal.write(json ? jsonLines(rows) : table(columns, rows, terminal.isTerminal))
  return 0
}

async function deleteContext(setting: Setting, { json }: CommonOptions, name: string): Promise<ExitCode> {
  const { current, contexts } = readContexts(setting)
  contextOf({ contexts }, name)
  const left = Object.fromEntries(Object.entries(contexts).filter(([other]) => other !== name))
  writeContexts(setting, { ...(current === name ? {} : { current }), contexts: left })
  await setting.terminal.write(json ? jsonLine({ name }) : `context ${name}: deleted\n`)
  return 0
}
