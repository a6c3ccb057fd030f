/**
 * The calls that move files of attempts: as the other calls of the way to the service, but without a bound on their time.
 */

import type { ClientReadableStream, Metadata, ServiceError } from '@grpc/grpc-js'
import type { Clock } from '../../core/kernel/clock.ts'
import type { AttemptRef } from '../../core/kernel/ids.ts'
import { outputChunkBytes } from '../../core/kernel/limits.ts'
import { sandboxLimits } from '../../core/kernel/sandbox-limits.ts'
import { pushed } from '../../core/kernel/pushed.ts'
import type { OutputFile } from '../../core/model/sandbox-file.ts'
import type { FileChunk, PutOutputFileRequest, VmServiceClient } from '../../proto/gen/pilotage/v1/vm.ts'
import { asUplinkError } from './uplink-errors.ts'

export type FileCalls = {
  /** In pieces, to its end. */
  fetchInput(attempt: AttemptRef, path: string, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** Resolves when the service keeps all of it. Repeating it replaces it. */
  putOutputFile(attempt: AttemptRef, file: OutputFile, pieces: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>
}

/** The service holds a transfer back where many are under way; one that moves nothing for longer is lost. */
const stallMs = sandboxLimits.stallMs

export function fileCalls(client: () => VmServiceClient, metadata: Metadata, clock: Clock): FileCalls {
  return {
    fetchInput: (attempt, path, signal) => received(client().fetchInput({ attempt, path }, metadata), clock, signal),
    async putOutputFile(attempt, file, pieces, signal) {
      const over = Promise.withResolvers<void>()
      const stream = client().putOutputFile(metadata, {}, (error) =>
        error ? over.reject(asUplinkError(error, 'keeping an output file')) : over.resolve(),
      )
      // The call's answer carries the failure. Without a listener the stream's own error would end the process.
      stream.on('error', () => undefined)
      const cut = stallGuard(clock, signal, () => stream.cancel())
      try {
        await pushed(stream, requests(attempt, file, pieces, cut.moved), over.promise)
      } finally {
        cut.end()
      }
    },
  }
}

async function* requests(
  attempt: AttemptRef,
  { path, digest, bytes, executable }: OutputFile,
  pieces: AsyncIterable<Uint8Array>,
  onMoved: () => void,
): AsyncGenerator<PutOutputFileRequest, void, undefined> {
  yield { attempt, path, digest, bytes, executable, data: Buffer.alloc(0) }
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; at += outputChunkBytes) {
      onMoved()
      const data = Buffer.from(piece.subarray(at, at + outputChunkBytes))
      yield { attempt: undefined, path: '', digest: '', bytes: 0, executable: false, data }
    }
  }
}

/** Calls `cut` where nothing moves for a time, and when the signal is aborted. */
function stallGuard(clock: Clock, signal: AbortSignal, cut: () => void): { moved(): void; end(): void } {
  let timer = clock.after(stallMs, cut)
  signal.addEventListener('abort', cut)
  if (signal.aborted) cut()
  return {
    moved() {
      timer.cancel()
      timer = clock.after(stallMs, cut)
    },
    end() {
      timer.cancel()
      signal.removeEventListener('abort', cut)
    },
  }
}

async function* received(
  stream: ClientReadableStream<FileChunk>,
  clock: Clock,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  stream.on('error', () => undefined)
  const cut = stallGuard(clock, signal, () => stream.cancel())
  try {
    for await (const { data } of stream as AsyncIterable<FileChunk>) {
      cut.moved()
      yield data
    }
  } catch (error) {
    throw asUplinkError(error as ServiceError, 'fetching an input file')
  } finally {
    cut.end()
    stream.cancel()
  }
}
