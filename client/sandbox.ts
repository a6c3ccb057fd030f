/**
 * Files of jobs: putting them, and reading what payloads left. Both go on after a loss of the service: a put is sent again
 * from its beginning, a read continues where it was.
 */

import { createHash } from 'node:crypto'
import { sandboxLimits } from '../core/kernel/sandbox-limits.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import { pushed } from '../core/kernel/pushed.ts'
import { outputChunkBytes } from '../core/kernel/limits.ts'
import type { Content, OutputFile } from '../core/model/sandbox-file.ts'
import type {
  GetOutputFileRequest,
  HasFilesRequest,
  HasFilesResponse,
  ListOutputFilesRequest,
  ListOutputFilesResponse,
  PutFileRequest,
  PutFileResponse,
  SandboxServiceClient,
} from '../proto/gen/pilotage/v1/sandbox.ts'
import { type Caller, credential, messages, newPauses, patiently, type Unary } from './calls.ts'

/** The content from its beginning, each time that it is asked for. */
export type Source = () => AsyncIterable<Uint8Array>

export type OutputFileSelection = { readonly attempt?: number }

export type OutputFiles = { readonly attempt: number; readonly files: readonly OutputFile[] }

export interface SandboxCalls {
  /** Which of these the caller has not put, or are not stored any more. The others are stored for another 24 hours. */
  missingFiles(digests: readonly string[]): Promise<readonly string[]>
  /** Resolves when the file is stored. `onSent`: bytes that were given to the connection, of this try. */
  putFile(content: Content, source: Source, onSent?: (bytes: number) => void): Promise<void>
  /** By path. `attempt` 0 or absent: the last one. */
  outputFiles(jobId: number, selection?: OutputFileSelection): Promise<OutputFiles>
  /** The content, checked: throws `conflict` at the end where it is not what its digest says. */
  outputFile(jobId: number, path: string, selection?: OutputFileSelection): AsyncGenerator<Uint8Array, void, undefined>
}

type Read = <Request, Response>(
  doing: string,
  method: (client: SandboxServiceClient) => Unary<Request, Response>,
  request: Request,
) => Promise<Response>

export function sandboxCalls(caller: Caller, client: () => SandboxServiceClient, read: Read): SandboxCalls {
  return {
    async missingFiles(digests) {
      const method = (to: SandboxServiceClient): Unary<HasFilesRequest, HasFilesResponse> => to.hasFiles.bind(to)
      const missing: string[] = []
      const all = [...new Set(digests)]
      for (let at = 0; at < all.length; at += sandboxLimits.digestsPerCall) {
        const some = all.slice(at, at + sandboxLimits.digestsPerCall)
        missing.push(...(await read('asking for files', method, { digests: some })).missing)
      }
      return missing
    },
    putFile: (content, source, onSent) =>
      patiently(caller, 'putting a file', () => putOnce(caller, client(), content, source, onSent)),
    async outputFiles(jobId, { attempt = 0 } = {}) {
      const method = (to: SandboxServiceClient): Unary<ListOutputFilesRequest, ListOutputFilesResponse> =>
        to.listOutputFiles.bind(to)
      return read('listing output files', method, { jobId, attempt })
    },
    outputFile: (jobId, path, { attempt = 0 } = {}) => filePieces(caller, client, { jobId, attempt, path, offset: 0 }),
  }
}

async function putOnce(
  caller: Caller,
  client: SandboxServiceClient,
  { digest, bytes }: Content,
  source: Source,
  onSent: (bytes: number) => void = () => {},
): Promise<void> {
  const over = Promise.withResolvers<PutFileResponse>()
  const stream = client.putFile(credential(caller), (error, answer) => (error ? over.reject(error) : over.resolve(answer)))
  // The call's answer carries the failure. Without a listener the stream's own error would end the process.
  stream.on('error', () => undefined)
  const abort = (): void => stream.cancel()
  if (caller.signal?.aborted) abort()
  caller.signal?.addEventListener('abort', abort, { once: true })
  async function* requests(): AsyncGenerator<PutFileRequest> {
    yield { digest, bytes, data: Buffer.alloc(0) }
    for await (const piece of source()) {
      for (let at = 0; at < piece.length; at += outputChunkBytes) {
        const data = Buffer.from(piece.subarray(at, at + outputChunkBytes))
        onSent(data.length)
        yield { digest: '', bytes: 0, data }
      }
    }
  }
  try {
    await pushed(stream, requests(), over.promise)
  } finally {
    caller.signal?.removeEventListener('abort', abort)
  }
}

async function* filePieces(
  caller: Caller,
  client: () => SandboxServiceClient,
  request: GetOutputFileRequest,
): AsyncGenerator<Uint8Array, void, undefined> {
  const pauses = newPauses(caller, 'reading an output file')
  const hash = createHash('sha256')
  let expected: Content | undefined
  let offset = 0
  for (;;) {
    const endpoint = caller.turns.current()
    try {
      const stream = client().getOutputFile({ ...request, offset }, credential(caller))
      for await (const { file, data } of messages(caller, stream)) {
        pauses.reset(endpoint)
        if (file && expected && file.digest !== expected.digest) throw changed(request.path)
        expected ??= file
        if (data.length === 0) continue
        hash.update(data)
        offset += data.length
        yield data
      }
      break
    } catch (thrown) {
      if (thrown instanceof PilotageError) throw thrown
      await pauses.after(thrown, endpoint)
    }
  }
  if (expected && (offset !== expected.bytes || hash.digest('hex') !== expected.digest)) throw changed(request.path)
}

function changed(path: string): PilotageError {
  return new PilotageError('conflict', `${path} is not what its digest says, or was replaced while it was read`)
}
