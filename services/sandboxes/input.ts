/**
 * Input files: which of them an owner must still put, that a submission names only what its owner has put, and their way to
 * a VM.
 */

import { PilotageError, shown, type Violation } from '../../core/kernel/errors.ts'
import type { AttemptRef, VmId } from '../../core/kernel/ids.ts'
import { sandboxLimits } from '../../core/kernel/sandbox-limits.ts'
import { counted } from '../../core/kernel/text.ts'
import { attemptText } from '../../core/model/facts.ts'
import type { Owner } from '../../core/model/owner.ts'
import { digestForm, isDigest } from '../../core/model/sandbox-file.ts'
import { heldJob } from './held-job.ts'
import type { SandboxPorts } from './ports.ts'

/** In the order asked for. Those that are not missing are stored for another day. Throws `invalid-argument`. */
export async function missingFiles(
  { store, clock }: Pick<SandboxPorts, 'store' | 'clock'>,
  owner: Owner,
  digests: readonly string[],
): Promise<readonly string[]> {
  const violations: Violation[] = digests.flatMap((digest, at) =>
    isDigest(digest) ? [] : [{ path: `digests[${at}]`, value: shown(digest), rule: 'not a digest', accepted: digestForm }],
  )
  const max = sandboxLimits.digestsPerCall
  if (digests.length === 0 || digests.length > max)
    violations.push({
      path: 'digests',
      value: counted(digests.length, 'digest'),
      rule: 'out of range',
      accepted: `1 to ${max}`,
    })
  if (violations.length > 0) throw new PilotageError('invalid-argument', 'asking for files', { violations })
  const known = new Set((await store.renewClaims(owner, digests, clock.nowMs())).map(({ digest }) => digest))
  return digests.filter((digest) => !known.has(digest))
}

/** An input file of a job whose attempt the VM holds. Throws `forbidden`, `not-found`. */
export async function fetchInput(
  { store, blobs }: Pick<SandboxPorts, 'store' | 'blobs'>,
  vmId: VmId,
  attempt: AttemptRef,
  path: string,
): Promise<AsyncIterable<Uint8Array>> {
  const job = await heldJob(store, vmId, attempt)
  const spec = (await store.specs([job.id])).get(job.id)
  const file = spec?.inputFiles.find((one) => one.path === path)
  if (!file) throw new PilotageError('not-found', `job ${job.id} has no input file ${shown(path)}`)
  const pieces = await blobs.read({ vo: job.vo, digest: file.digest }, 0)
  if (pieces) return pieces
  throw new PilotageError('not-found', `the content of ${shown(path)} of ${attemptText(attempt)} is not stored any more`)
}
