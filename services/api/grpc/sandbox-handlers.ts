/** The methods of SandboxService, and the two of VmService that move files: decode, call one use case, encode. */

import type { ServerReadableStream, ServerWritableStream } from '@grpc/grpc-js'
import type { Clock } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { loadLimits, outputChunkBytes } from '../../../core/kernel/limits.ts'
import { sandboxLimits } from '../../../core/kernel/sandbox-limits.ts'
import { attemptOf } from '../../../proto/codec/pilot.ts'
import { jobIdOf } from '../../../proto/codec/specs.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/sandbox.ts'
import type * as vm from '../../../proto/gen/pilotage/v1/vm.ts'
import { fetchInput, missingFiles } from '../../sandboxes/input.ts'
import { keepOutputFile, listOutputFiles, readOutputFile } from '../../sandboxes/output.ts'
import type { SandboxPorts } from '../../sandboxes/ports.ts'
import { filePutter } from '../../sandboxes/put-file.ts'
import type { JobPorts } from '../../jobs/ports.ts'
import { asUser, type Edge, userOf, vmOf } from './edge.ts'
import { goneSignal, received, sent, type StreamCall, type WritableCall, written } from './stream.ts'
import type { PieceBuffers } from './piece-buffers.ts'
import type { Transfers } from './transfers.ts'

/** What all transfers of a process share. */
export type Moving = { readonly transfers: Transfers; readonly buffers: PieceBuffers }

export type SandboxHandlers = wire.SandboxServiceServer & Pick<vm.VmServiceServer, 'fetchInput' | 'putOutputFile'>

export function sandboxHandlers(jobs: JobPorts, moving: Moving, edge: Edge): SandboxHandlers {
  const ports: SandboxPorts = { ...jobs, maxOwnerBytes: jobs.policy.maxSandboxBytes ?? sandboxLimits.ownerBytes }
  const { clock } = ports
  const putter = filePutter(ports)
  return {
    hasFiles: edge.unary('hasFiles', async ({ digests }: wire.HasFilesRequest, caller) => {
      caller.load.charge(digests.length / loadLimits.idsPerUnit)
      return { missing: [...(await missingFiles(ports, userOf(caller).owner, digests))] }
    }),

    putFile: edge.clientStream(
      'putFile',
      async (requests: ServerReadableStream<wire.PutFileRequest, wire.PutFileResponse>, caller) => {
        const { owner } = userOf(caller)
        const who = `user ${JSON.stringify([owner.vo, owner.group, owner.owner])}`
        await taken<wire.PutFileRequest, void>(clock, moving, who, requests, ({ digest, bytes }, pieces) =>
          putter.put(owner, { digest, bytes }, pieces),
        )
        return {}
      },
    ),

    listOutputFiles: edge.unary('listOutputFiles', async (request: wire.ListOutputFilesRequest, caller) => {
      const { attempt, files } = await listOutputFiles(ports, asUser(caller), queryOf(request))
      return { attempt, files: files.map((file) => ({ ...file })) }
    }),

    getOutputFile: edge.serverStream(
      'getOutputFile',
      async (call: ServerWritableStream<wire.GetOutputFileRequest, wire.GetOutputFileResponse>, caller) => {
        const { path, offset } = call.request
        const { owner } = userOf(caller)
        const query = { ...queryOf(call.request), path, offset }
        const { file, pieces } = await readOutputFile(ports, asUser(caller), query)
        const gone = goneSignal(call)
        if (!(await written(clock, call, gone, { file: { ...file }, data: Buffer.alloc(0) }))) return
        const who = `user ${JSON.stringify([owner.vo, owner.group, owner.owner])}`
        await given(clock, moving, who, call, pieces, (data) => ({ file: undefined, data }))
      },
    ),

    fetchInput: edge.serverStream(
      'fetchInput',
      async (call: ServerWritableStream<vm.FetchInputRequest, vm.FileChunk>, caller) => {
        const { attempt, path } = call.request
        const vmId = vmOf(caller)
        const pieces = await fetchInput(ports, vmId, attemptOf(attempt ?? noAttempt(), 'attempt'), path)
        await given(clock, moving, `vm ${vmId}`, call, pieces, (data) => ({ data }))
      },
    ),

    putOutputFile: edge.clientStream(
      'putOutputFile',
      async (requests: ServerReadableStream<vm.PutOutputFileRequest, vm.PutOutputFileResponse>, caller) => {
        const vmId = vmOf(caller)
        await taken<vm.PutOutputFileRequest, void>(clock, moving, `vm ${vmId}`, requests, (first, pieces) => {
          const { attempt, path, digest, bytes, executable } = first
          const ref = attemptOf(attempt ?? noAttempt(), 'attempt')
          return keepOutputFile(ports, putter, vmId, { attempt: ref, file: { path, digest, bytes, executable }, pieces })
        })
        return {}
      },
    ),
  }
}

function queryOf({ jobId, attempt }: { readonly jobId: number; readonly attempt: number }) {
  return { jobId: jobIdOf(jobId, 'job_id'), attempt: attempt === 0 ? undefined : attempt }
}

function noAttempt(): never {
  throw new PilotageError('invalid-argument', 'the first message names its attempt')
}

type Piece = { readonly data: Buffer }

/** `take` gets the first message, and the content of all of them. */
async function taken<Request extends Piece, Answer>(
  clock: Clock,
  { transfers, buffers }: Moving,
  who: string,
  requests: StreamCall & AsyncIterable<unknown>,
  take: (first: Request, pieces: AsyncIterable<Uint8Array>) => Promise<Answer>,
): Promise<Answer> {
  const gone = goneSignal(requests)
  return transfers.run(who, gone, async (pace) => {
    const stream = received<Request>(clock, requests, gone)
    try {
      const first = await stream.next()
      if (first.done) throw new PilotageError('invalid-argument', 'a file without its first message')
      return await take(first.value, contentOf(first.value, stream, pace, buffers))
    } finally {
      await stream.return()
    }
  })
}

/** That the stream broke off shows by the size and the digest, which the homes check. */
async function* contentOf(
  first: Piece,
  rest: AsyncIterable<Piece>,
  pace: () => Promise<void>,
  buffers: PieceBuffers,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield boundedPiece(first)
  for await (const piece of rest) {
    await pace()
    yield boundedPiece(piece)
    // Who asks for the next one has no more use for this one.
    buffers.give(piece.data)
  }
}

function boundedPiece({ data }: Piece): Uint8Array {
  if (data.length <= outputChunkBytes) return data
  throw new PilotageError('too-large', `a piece of ${data.length} bytes: at most ${outputChunkBytes}`)
}

async function given<Message>(
  clock: Clock,
  { transfers }: Moving,
  who: string,
  call: WritableCall<Message>,
  pieces: AsyncIterable<Uint8Array>,
  message: (data: Buffer) => Message,
): Promise<void> {
  const gone = goneSignal(call)
  const reading = pieces[Symbol.asyncIterator]()
  try {
    await transfers.run(who, gone, async (pace) => {
      for (let next = await reading.next(); !next.done; next = await reading.next()) {
        await pace()
        const data = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength)
        if (!(await sent(clock, call, gone, message(data)))) return
      }
    })
  } finally {
    // However it ends, what was opened is closed.
    await reading.return?.()
  }
}
