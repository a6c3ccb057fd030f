/** Output files: kept for a VM that holds the attempt, listed and read for a caller who may read the output of the job. */

import type { Caller } from '../../core/access/caller.ts'
import { standingOf } from '../../core/access/caller.ts'
import { PilotageError, shown } from '../../core/kernel/errors.ts'
import type { AttemptRef, JobId, VmId } from '../../core/kernel/ids.ts'
import { sandboxLimits } from '../../core/kernel/sandbox-limits.ts'
import { bytesText } from '../../core/kernel/quantities.ts'
import { isEnded, type Job } from '../../core/model/job.ts'
import { type OutputFile, sandboxPathForm, sandboxPathProblem } from '../../core/model/sandbox-file.ts'
import { heldJob } from './held-job.ts'
import type { SandboxPorts } from './ports.ts'
import type { FilePutter } from './put-file.ts'

export type OutputPorts = Pick<SandboxPorts, 'store' | 'blobs'>

/** Repeating it replaces the file. Throws `forbidden` without the lease, `too-large`, `quota-exceeded`. */
export async function keepOutputFile(
  { store }: Pick<OutputPorts, 'store'>,
  putter: FilePutter,
  vmId: VmId,
  {
    attempt,
    file,
    pieces,
  }: { readonly attempt: AttemptRef; readonly file: OutputFile; readonly pieces: AsyncIterable<Uint8Array> },
): Promise<void> {
  const problem = sandboxPathProblem(file.path)
  if (problem !== undefined) {
    const violations = [{ path: 'path', value: shown(file.path), rule: problem, accepted: sandboxPathForm }]
    throw new PilotageError('invalid-argument', `an output file whose path is ${problem}`, { violations })
  }
  const job = await heldJob(store, vmId, attempt)
  const others = (await store.outputFiles(attempt)).filter(({ path }) => path !== file.path)
  refuseOver('files', others.length + 1, sandboxLimits.outputFiles, String)
  refuseOver(
    'bytes',
    others.reduce((sum, { bytes }) => sum + bytes, file.bytes),
    sandboxLimits.jobBytes,
    bytesText,
  )
  await putter.put(job, file, pieces)
  await store.keepOutputFile(attempt, job, file)
}

function refuseOver(what: string, value: number, max: number, show: (value: number) => string): void {
  if (value <= max) return
  const accepted = `at most ${show(max)} per attempt`
  throw new PilotageError('too-large', `output files of ${show(value)} in ${what}: ${accepted}`, {
    violations: [{ path: what, value: show(value), rule: 'too large', accepted }],
  })
}

export type OutputQuery = {
  readonly jobId: JobId
  /** undefined: the last one. */
  readonly attempt: number | undefined
}

export type OutputList = { readonly attempt: number; readonly files: readonly OutputFile[] }

/** Throws `not-found` for an attempt that there never was; `forbidden` for the job of another member of the VO. */
export async function listOutputFiles(
  { store }: Pick<OutputPorts, 'store'>,
  caller: Caller,
  query: OutputQuery,
): Promise<OutputList> {
  const { ref } = await attemptFor(store, caller, query)
  return { attempt: ref.attempt, files: await store.outputFiles(ref) }
}

/** Throws `not-found` where there is no such file (any more). */
export async function readOutputFile(
  { store, blobs }: OutputPorts,
  caller: Caller,
  { path, offset, ...query }: OutputQuery & { readonly path: string; readonly offset: number },
): Promise<{ readonly file: OutputFile; readonly pieces: AsyncIterable<Uint8Array> }> {
  const { job, ref } = await attemptFor(store, caller, query)
  const file = (await store.outputFiles(ref)).find((one) => one.path === path)
  if (!file) throw new PilotageError('not-found', `job ${job.id} ${whyNone(job, ref, path)}`)
  if (offset > file.bytes) {
    const violations = [{ path: 'offset', value: String(offset), rule: 'out of range', accepted: `0 to ${file.bytes}` }]
    throw new PilotageError('invalid-argument', `${shown(path)} has ${file.bytes} bytes`, { violations })
  }
  const pieces = await blobs.read({ vo: job.vo, digest: file.digest }, offset)
  if (!pieces) throw new PilotageError('not-found', `the content of ${shown(path)} of job ${job.id} is not stored any more`)
  return { file, pieces }
}

function whyNone(job: Job, ref: AttemptRef, path: string): string {
  if (ref.attempt === job.attempt && !isEnded(job.phase))
    return `is ${job.phase.state}: its files are kept when the attempt ends`
  return `has no output file ${shown(path)} of attempt ${ref.attempt}`
}

async function attemptFor(
  store: OutputPorts['store'],
  caller: Caller,
  { jobId, attempt }: OutputQuery,
): Promise<{ readonly job: Job; readonly ref: AttemptRef }> {
  const [job] = await store.jobs([jobId])
  const standing = job ? standingOf(caller, job) : 'unknown'
  if (!job || standing === 'unknown') throw new PilotageError('not-found', `no job ${jobId}`)
  if (standing === 'forbidden')
    throw new PilotageError('forbidden', `job ${jobId} is of ${shown(job.owner)}: its output is not for this caller`)
  const wanted = attempt ?? job.attempt
  if (wanted >= 1 && wanted <= job.attempt) return { job, ref: { jobId, attempt: wanted } }
  const has =
    job.attempt === 0 ? `is ${job.phase.state} and never ran` : `has no attempt ${wanted}; its last one is ${job.attempt}`
  throw new PilotageError('not-found', `job ${jobId} ${has}`)
}
