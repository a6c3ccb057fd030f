/**
 * Where archives lie: files, compressed where their name ends so, or the standard streams. A file is there whole or not at
 * all, on disk when the export says so, and for its owner only: it holds what every user has submitted.
 */

import {
  createReadStream,
  createWriteStream,
  existsSync,
  fsyncSync,
  openSync,
  closeSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { dirname, resolve } from 'node:path'
import { PassThrough, pipeline, type Writable } from 'node:stream'
import { createGunzip, createGzip } from 'node:zlib'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { ArchiveSource } from './import.ts'

export type ArchiveTarget = {
  /** To write through, in their order. */
  readonly streams: readonly Writable[]
  /** What was written is an archive now. */
  keep(): void
  /** It will not be one. */
  drop(): void
}

/** What is piped on is compressed by the program that pipes. `-`: the stream. */
export function archiveTarget(to: string, stdout: Writable): ArchiveTarget {
  if (to === '-') {
    // Its end is not ours to make.
    const through = new PassThrough()
    through.pipe(stdout, { end: false })
    stdout.once('error', (error) => through.destroy(error))
    return { streams: [through], keep: () => {}, drop: () => {} }
  }
  const path = resolve(to)
  if (existsSync(path)) throw new PilotageError('conflict', `${to} is there already: an export replaces nothing`)
  const part = `${path}.part`
  const file = createWriteStream(part, { fd: opened(part), flush: true })
  return {
    streams: isCompressed(to) ? [createGzip({ level: 6 }), file] : [file],
    keep() {
      renameSync(part, path)
      syncFolder(dirname(path))
    },
    drop: () => rmSync(part, { force: true }),
  }
}

function opened(path: string): number {
  try {
    return openSync(path, 'w', 0o600)
  } catch (error) {
    throw asDiskError(error, 'opening the archive')
  }
}

/** What a disk or a pipe refuses is no mistake of ours. */
export function asDiskError(error: unknown, doing: string): unknown {
  const { code, syscall } = error instanceof Error ? (error as NodeJS.ErrnoException) : {}
  if (code === undefined || syscall === undefined) return error
  if (code === 'EPIPE') return new PilotageError('cancelled', `${doing}: the reader closed its end`, { cause: error })
  return new PilotageError('unavailable', `${doing}: the disk says ${code}`, { cause: error })
}

/** `-`: the stream. What cannot be read twice is checked while it is read. */
export function archiveSource(from: string, stdin: AsyncIterable<Buffer>): ArchiveSource {
  if (from === '-') return { open: () => stdin, isRepeatable: false }
  const isFile = statSync(from, { throwIfNoEntry: false })?.isFile()
  if (isFile === undefined) throw new PilotageError('not-found', `there is no ${from}`)
  return { open: () => readable(from), isRepeatable: isFile }
}

async function* readable(path: string): AsyncGenerator<Buffer> {
  const file = createReadStream(path)
  try {
    yield* isCompressed(path) ? pipeline(file, createGunzip(), () => {}) : file
  } catch (error) {
    const code = String((error as NodeJS.ErrnoException).code)
    if (!code.startsWith('Z_')) throw asDiskError(error, 'reading the archive')
    throw new PilotageError('invalid-argument', `the archive is damaged: it cannot be decompressed (${code})`, {
      cause: error,
    })
  } finally {
    file.destroy()
  }
}

function isCompressed(path: string): boolean {
  return path.endsWith('.gz')
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
