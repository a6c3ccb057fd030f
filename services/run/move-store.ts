/**
 * Exports a store's whole content as one archive, and imports an archive into an empty store of the same or the other kind:
 * for backups, and for a site that moves from one machine to many.
 *
 * Opens the store that the configuration names; what an archive is, and that nothing is half done, is decided in
 * services/archive/. No service may run on the store: the embedded store's lock is taken here.
 */

import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import type { Clock } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { Random } from '../../core/kernel/random.ts'
import type { Archive } from '../../core/ports/archive.ts'
import { silentLog } from '../../core/ports/log.ts'
import { exportArchive } from '../archive/export.ts'
import { archiveSource, archiveTarget, asDiskError } from '../archive/files.ts'
import { importArchive } from '../archive/import.ts'
import { patient } from '../archive/patience.ts'
import type { ArchiveSummary } from '../archive/read-archive.ts'
import { compileConfig, readConfigFile } from './configuration.ts'
import type { StoreConfig } from '../config/network.ts'
import { mayLeaveMachine } from '../config/plaintext.ts'
import { lockDirectory } from './installation.ts'
import { mongoUrl } from './mongo-access.ts'
import { readSecrets } from './secrets.ts'

export type MoveOptions = {
  /** Names the store; absent: the embedded store in `dataDir`. */
  readonly configFile?: string
  readonly dataDir: string
  /** Of the archive; `-` is a standard stream. A name that ends in .gz is compressed. */
  readonly file: string
  readonly clock: Clock
  /** One line on how far it is, or why it waits. */
  readonly onProgress: (line: string, isNotice: boolean) => void
}

export type ExportOptions = MoveOptions & {
  readonly random: Random
  readonly stdout: Writable
  /** Removes the unfinished archive at once. */
  readonly signal: AbortSignal
}

export type ImportOptions = MoveOptions & { readonly stdin: AsyncIterable<Uint8Array> }

export async function exportStore(options: ExportOptions): Promise<ArchiveSummary> {
  const { clock, random, onProgress, signal } = options
  return withArchive(options, 'export', async (archive) => {
    const target = archiveTarget(options.file, options.stdout)
    signal.addEventListener('abort', target.drop, { once: true })
    try {
      const progress = (section: string, records: number): void => onProgress(`export: ${records} ${section}`, false)
      const summary = await exportArchive({ archive, clock, random, onProgress: progress }, target.streams)
      target.keep()
      return summary
    } catch (error) {
      target.drop()
      throw asDiskError(error, 'writing the archive')
    } finally {
      signal.removeEventListener('abort', target.drop)
    }
  })
}

/** An import that was cut short continues; until it is finished, no service starts on the store. */
export async function importStore(options: ImportOptions): Promise<ArchiveSummary> {
  const { onProgress } = options
  return withArchive(options, 'import', (archive) =>
    importArchive({
      archive,
      source: archiveSource(options.file, asBuffers(options.stdin)),
      onProgress: (doing, section, records) => onProgress(`import: ${doing} ${records} ${section}`, false),
      onResume: ({ records }) => onProgress(`import: continues after the ${records} records that are stored`, true),
    }),
  )
}

type Opened = { readonly archive: Archive; close(): Promise<void> }

async function withArchive<Answer>(
  options: MoveOptions,
  doing: 'export' | 'import',
  work: (archive: Archive) => Promise<Answer>,
): Promise<Answer> {
  const { configFile, clock, onProgress } = options
  const { store } = configFile === undefined ? compileConfig({}) : readConfigFile(configFile)
  const opened = await openArchive(store, options, doing)
  const onUnreachable = (error: PilotageError): void => onProgress(`${doing}: ${error.message}; retrying`, true)
  return work(patient(opened.archive, clock, onUnreachable)).finally(() => opened.close())
}

/** Each kind of store loads its driver here, and only its own. */
async function openArchive(
  config: StoreConfig,
  { dataDir, clock }: MoveOptions,
  doing: 'export' | 'import',
): Promise<Opened> {
  if (config.kind === 'mongo') {
    const reader = readSecrets()
    const url = mongoUrl(config, reader)
    reader.settle()
    const { openKeptMongoArchive } = await import('./mongo-upkeep.ts')
    const mayLeave = mayLeaveMachine(url, config.plaintext)
    const archive = await openKeptMongoArchive({ url, mayLeave, database: config.database, clock, log: silentLog() })
    return { archive, close: () => archive.close() }
  }
  const dir = resolve(dataDir)
  const path = join(dir, 'pilotage.db')
  if (doing === 'export' && !existsSync(path)) throw new PilotageError('not-found', `there is no store in ${dir}`)
  const unlock = lockDirectory(dir)
  try {
    const { openSqliteArchive } = await import('../adapters/store/sqlite/sqlite-archive.ts')
    const archive = await openSqliteArchive(path, clock)
    return { archive, close: () => archive.close().finally(unlock) }
  } catch (error) {
    unlock()
    throw error
  }
}

async function* asBuffers(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  for await (const { buffer, byteOffset, length } of pieces) yield Buffer.from(buffer, byteOffset, length)
}
