/**
 * `pilotage store export` and `pilotage store import`: a store's whole content as one archive, and back, into a store of the
 * same kind or of the other. For backups, and for a site that moves from one machine to many.
 */

import { Writable } from 'node:stream'
import { type Command, Option } from 'commander'
import type { Clock } from '../../core/kernel/clock.ts'
import { type Choose, withoutService } from '../action.ts'
import { jsonLine } from '../output/table.ts'
import type { Terminal } from '../output/terminal.ts'
import { type CommonOptions, defaultDataDir, type ExitCode, type Setting } from '../setting.ts'

type StoreOptions = CommonOptions & {
  readonly config?: string
  readonly data: string
  readonly to?: string
  readonly from?: string
  readonly whileRunning?: boolean
}

const progressEveryMs = 2000
const noService = 'No service may run on the store.'

export function addStoreCommands(program: Command, choose: Choose): void {
  const store = program.command('store').description('export or import the content of a store: back it up, move it')
  const exporting = store
    .command('export')
    .description(`write the content of a store as an archive. ${noService}`)
    .option('--to <file>', 'archive to create; NAME.gz is compressed (default: standard output)')
  const importing = store
    .command('import')
    .description(`read an archive into an empty store. ${noService}`)
    .option('--from <file>', 'archive to read; NAME.gz is compressed (default: standard input)')
    .addHelpText(
      'after',
      '\nTo continue an import that was cut short, run the same command again. Until it is finished, no service starts on the store.',
    )
  for (const [command, work] of [
    [exporting, runExport],
    [importing, runImport],
  ] as const) {
    const action = withoutService(choose, work)
    command
      .option('--config <file>', 'configuration that names the store (default: the embedded store in the data directory)')
      .option('--data <directory>', 'data directory of the embedded store', defaultDataDir)
      .addOption(new Option('--while-running').hideHelp())
      .configureHelp({ showGlobalOptions: false })
      .action((...given: unknown[]) => {
        if (command.opts<StoreOptions>().whileRunning) {
          const why = 'a store that changes while it is read has no single state, and the archive would have half of it'
          command.error(`error: --while-running: ${why}; stop every service on the store first`)
        }
        action(...given)
      })
  }
}

async function runExport(setting: Setting, options: StoreOptions): Promise<ExitCode> {
  const { clock, random, signal, terminal } = setting
  const file = options.to ?? '-'
  if (file === '-' && terminal.isTerminal) return refuseTerminal(terminal, '--to')
  const { exportStore } = await import('../../services/run/move-store.ts')
  const stdout = archiveOutput(terminal)
  return orInterrupted(setting, async () => {
    const summary = await exportStore({ ...moving(options, clock, terminal), file, random, signal, stdout })
    // When the archive goes to standard output, nothing else does.
    return writeSummary(terminal, 'export', summary, options.json, file === '-')
  })
}

async function runImport(setting: Setting, options: StoreOptions): Promise<ExitCode> {
  const { clock, terminal, stdin, isStdinTerminal } = setting
  const file = options.from ?? '-'
  if (file === '-' && isStdinTerminal) return refuseTerminal(terminal, '--from')
  const { importStore } = await import('../../services/run/move-store.ts')
  return orInterrupted(setting, async () => {
    const summary = await importStore({ ...moving(options, clock, terminal), file, stdin })
    return writeSummary(terminal, 'import', summary, options.json, false)
  })
}

function moving({ config, data }: StoreOptions, clock: Clock, terminal: Terminal) {
  let nextMs = clock.monotonicMs() + progressEveryMs
  return {
    configFile: config,
    dataDir: data,
    clock,
    onProgress(line: string, isNotice: boolean): void {
      if (!isNotice && clock.monotonicMs() < nextMs) return
      nextMs = clock.monotonicMs() + progressEveryMs
      terminal.say(line)
    },
  }
}

/** A signal ends the command at once: what was imported stays, an unfinished archive is removed. */
function orInterrupted({ signal, terminal }: Setting, work: () => Promise<ExitCode>): Promise<ExitCode> {
  const interrupted = new Promise<ExitCode>((resolve) => {
    signal.addEventListener(
      'abort',
      () => {
        terminal.say(`pilotage: interrupted (${signal.reason})`)
        resolve('signal')
      },
      { once: true },
    )
  })
  return Promise.race([work(), interrupted])
}

async function writeSummary(
  terminal: Terminal,
  doing: string,
  { counts, sha256 }: { readonly counts: Readonly<Record<'jobs' | 'vms' | 'facts', number>>; readonly sha256: string },
  json: boolean | undefined,
  isNotice: boolean,
): Promise<ExitCode> {
  const { jobs, vms, facts } = counts
  const line = json
    ? jsonLine({ doing, jobs, vms, facts, sha256 })
    : `${doing}: jobs=${jobs} vms=${vms} facts=${facts} sha256=${sha256} ok\n`
  if (isNotice) terminal.say(line.trimEnd())
  else await terminal.write(line)
  return 0
}

function refuseTerminal(terminal: Terminal, option: string): ExitCode {
  terminal.say(`error: an archive cannot be read from or written to a terminal; give ${option} FILE, or use a pipe`)
  return 2
}

/** Bytes pass through the terminal as they are. */
function archiveOutput(terminal: Terminal): Writable {
  return new Writable({
    write(piece: Uint8Array, _encoding, done) {
      const gone = (): Error => Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' })
      terminal.write(piece).then((isWritten) => done(isWritten ? undefined : gone()), done)
    },
  })
}
