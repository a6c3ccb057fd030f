/** The methods of JobService about what payloads wrote: what is kept, and what they write now. */

import type { ServerWritableStream } from '@grpc/grpc-js'
import type { Clock } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { loadLimits } from '../../../core/kernel/limits.ts'
import type { OutputName } from '../../../core/model/live-output.ts'
import { outputNameEnum } from '../../../proto/codec/enums.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/job.ts'
import { peekOutput, type PeekPorts } from '../../jobs/peek-output.ts'
import { type OutputPorts, readOutput } from '../../jobs/read-output.ts'
import type { Caller } from './admission.ts'
import { asUser, type Edge } from './edge.ts'
import { oneJobId } from './one-job.ts'
import { goneSignal, written } from './stream.ts'

export type OutputHandlerPorts = OutputPorts & PeekPorts

export function outputHandlers(
  ports: OutputHandlerPorts,
  edge: Edge,
): Pick<wire.JobServiceServer, 'getOutput' | 'peekOutput'> {
  return {
    getOutput: edge.serverStream(
      'getOutput',
      (call: ServerWritableStream<wire.GetOutputRequest, wire.OutputChunk>, caller) => getOutput(ports, call, caller),
    ),
    peekOutput: edge.serverStream(
      'peekOutput',
      (call: ServerWritableStream<wire.PeekOutputRequest, wire.PeekOutputResponse>, caller) => peek(ports, call, caller),
    ),
  }
}

async function getOutput(
  ports: OutputPorts & { readonly clock: Clock },
  call: ServerWritableStream<wire.GetOutputRequest, wire.OutputChunk>,
  caller: Caller,
): Promise<void> {
  const { jobId, attempt, name } = call.request
  const pieces = await readOutput(ports, asUser(caller), {
    jobId: oneJobId(jobId, caller),
    attempt: attempt === 0 ? undefined : attempt,
    name: outputName(name),
  })
  if (!pieces) return
  const gone = goneSignal(call)
  // Left early, the loop closes the file.
  for await (const data of pieces) if (!(await written(ports.clock, call, gone, { data: Buffer.from(data) }))) return
}

/** Counts as a watch of one job: `loadLimits.watches` bounds them. */
async function peek(
  ports: PeekPorts,
  call: ServerWritableStream<wire.PeekOutputRequest, wire.PeekOutputResponse>,
  caller: Caller,
): Promise<void> {
  const { jobId, attempt, name, offset, follow } = call.request
  const request = {
    jobId: oneJobId(jobId, caller),
    attempt: attempt === 0 ? undefined : attempt,
    name: outputName(name),
    offset,
    follow,
  }
  const end = caller.load.watch(1)
  const gone = goneSignal(call)
  try {
    for await (const { data, ...piece } of peekOutput(ports, asUser(caller), request, gone)) {
      caller.load.charge(data.length / loadLimits.bytesPerUnit)
      if (!(await written(ports.clock, call, gone, { ...piece, data: Buffer.from(data) }))) return
    }
  } finally {
    end()
  }
}

function outputName(name: wire.OutputName): OutputName {
  const known = name === 0 ? 'stdout' : outputNameEnum.word(name)
  if (known) return known
  throw new PilotageError('invalid-argument', `no output ${name}`, {
    violations: [{ path: 'name', value: String(name), rule: 'not an output', accepted: 'OUTPUT_NAME_STDOUT or _STDERR' }],
  })
}
