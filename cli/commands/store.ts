/**
 * `pilotage store export` and `pilotage store import`: a store's whole content as one archive, and back, into a store of the
 * same kind or of the other. For backups, and for a site that began on one machine and moves to many.
 *
 * Only while no service works with the store. What an archive is, and that nothing is half done, is decided in
 * services/archive/; this opens what the configuration names and tells how it goes. Exit codes: 0 done, 1 failed, 2 wrong
 * usage, and above 128 when ended by a signal.
 */

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type Clock, systemClock } from '../../core/kernel/clock.ts'
import { asPilotageError, PilotageError } from '../../core/kernel/errors.ts'
import type { Archive } from '../../core/ports/archive.ts'
import { silentLog } from '../../core/ports/log.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { exportArchive } from '../../services/archive/export.ts'
import { archiveSource, archiveTarget, asDiskError } from '../../services/archive/files.ts'
import { importArchive } from '../../services/archive/import.ts'
import { patient } from '../../services/archive/patience.ts'
import type { ArchiveSummary } from '../../services/archive/read-archive.ts'
import { compileConfig, readConfigFile } from '../../services/run/configuration.ts'
import type { StoreConfig } from '../../services/config/network.ts'
import { mayLeaveMachine } from '../../services/config/plaintext.ts'
import { mongoUrl } from '../../services/run/mongo-access.ts'
import { lockDirectory } from '../../services/run/installation.ts'
import { readSecrets } from '../../services/run/secrets.ts'

const usage = `pilotage store export [options]   writes all that the store knows as an archive
pilotage store import [options]   reads an archive into an empty store

  --config FILE   the configuration that names the store; none: the embedded store in the data directory
  --data DIR      the data directory (pilotage-data), of the embedded store
  --to FILE       export: where to (-, the standard output); NAME.gz is compressed
  --from FILE     import: where from (-, the standard input)

No service may run on the store. An import that was cut short goes on with the same command; until it is finished, no service
starts on that store.
`

const options = {
  config: { type: 'string' },
  data: { type: 'string', default: 'pilotage-data' },
  to: { type: 'string' },
  from: { type: 'string' },
  'while-running': { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

type Order = {
  readonly doing: 'export' | 'import'
  readonly config?: string
  readonly data: string
  /** The archive. */
  readonly file: string
}

const progressEveryMs = 2000

export async function store(argv: readonly string[]): Promise<void> {
  const order = read(argv)
  if (!order) return
  const clock = systemClock()
  try {
    const storeConfig = (order.config === undefined ? compileConfig({}) : readConfigFile(order.config)).store
    const opened = await openArchive(storeConfig, order, clock)
    const archive = patient(opened.archive, clock, (error) => say(`${order.doing}: ${error.message}; trying again`))
    const run = order.doing === 'export' ? runExport : runImport
    const { counts, sha256 } = await run(archive, order, clock).finally(() => opened.close())
    const { jobs, vms, facts } = counts
    const line = `${order.doing}: jobs=${jobs} vms=${vms} facts=${facts} sha256=${sha256} ok`
    // Where the archive itself goes to standard output, nothing else does.
    if (order.doing === 'export' && order.file === '-') say(line)
    else console.log(line)
  } catch (thrown) {
    const error = asPilotageError(thrown, order.doing)
    const details = error.violations.map(({ path, value, rule, accepted }) => `\n  ${path}: ${value}: ${rule}; ${accepted}`)
    say(`pilotage: ${error.code}: ${error.message}${details.join('')}`)
    process.exitCode = 1
  }
}

/** Undefined where there is nothing to do any more: help was given, or wrong usage told. */
function read(argv: readonly string[]): Order | undefined {
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true })
    if (values.help) {
      process.stdout.write(usage)
      return undefined
    }
    const [doing, ...more] = positionals
    if ((doing !== 'export' && doing !== 'import') || more.length > 0) throw new Error('export or import?')
    if (values['while-running']) {
      const why =
        'a store that changes while it is read has no one picture, and half of what it does would be in the archive'
      throw new Error(`--while-running: ${why}. Stop every service on it first`)
    }
    const [given, other] = doing === 'export' ? [values.to, values.from] : [values.from, values.to]
    if (other !== undefined) throw new Error(doing === 'export' ? '--from belongs to import' : '--to belongs to export')
    const file = given ?? '-'
    const terminal = doing === 'export' ? process.stdout.isTTY : process.stdin.isTTY
    if (file === '-' && terminal)
      throw new Error(`an archive is nothing for a terminal: ${doing === 'export' ? '--to' : '--from'}?`)
    return { doing, config: values.config, data: resolve(values.data), file }
  } catch (error) {
    say(`pilotage: ${error instanceof Error ? error.message : error}\n\n${usage}`)
    process.exitCode = 2
    return undefined
  }
}

type Opened = { readonly archive: Archive; close(): Promise<void> }

/** Each kind of store brings its driver, loaded only here. */
async function openArchive(config: StoreConfig, { doing, data }: Order, clock: Clock): Promise<Opened> {
  if (config.kind === 'mongo') {
    const reader = readSecrets()
    const url = mongoUrl(config, reader)
    reader.settle()
    const { openMongoArchive } = await import('../../services/adapters/store/mongo/mongo-archive.ts')
    const archive = await openMongoArchive({
      url,
      mayLeave: mayLeaveMachine(url, config.plaintext),
      database: config.database,
      clock,
      log: silentLog(),
    })
    return { archive, close: () => archive.close() }
  }
  const path = join(data, 'pilotage.db')
  if (doing === 'export' && !existsSync(path)) throw new PilotageError('not-found', `there is no store in ${data}`)
  const unlock = lockDirectory(data)
  try {
    const { openSqliteArchive } = await import('../../services/adapters/store/sqlite/sqlite-archive.ts')
    const archive = await openSqliteArchive(path, clock)
    return { archive, close: () => archive.close().finally(unlock) }
  } catch (error) {
    unlock()
    throw error
  }
}

async function runExport(archive: Archive, { file }: Order, clock: Clock): Promise<ArchiveSummary> {
  const target = archiveTarget(file, process.stdout)
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => {
      target.drop()
      process.exit(code)
    })
  }
  try {
    const tell = now(clock)
    const summary = await exportArchive(
      { archive, clock, random: systemRandom(), onProgress: (section, records) => tell(`export: ${records} ${section}`) },
      target.streams,
    )
    target.keep()
    return summary
  } catch (error) {
    target.drop()
    throw asDiskError(error, 'writing the archive')
  }
}

async function runImport(archive: Archive, { file }: Order, clock: Clock): Promise<ArchiveSummary> {
  const tell = now(clock)
  return importArchive({
    archive,
    source: archiveSource(file, process.stdin),
    onProgress: (doing, section, records) => tell(`import: ${doing} ${records} ${section}`),
    onResume: ({ records }) => say(`import: goes on behind the ${records} records that are there`),
  })
}

/** Tells what it is given, now and then. */
function now(clock: Clock): (line: string) => void {
  let toldMs = clock.monotonicMs()
  return (line) => {
    if (clock.monotonicMs() - toldMs < progressEveryMs) return
    toldMs = clock.monotonicMs()
    say(line)
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}
