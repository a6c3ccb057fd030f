/**
 * Put: content arrives for an owner, from the owner's client or from a VM that runs a job of the owner.
 *
 * The claim comes first, so that content which a process leaves when it dies belongs to a claim that ends. Content that
 * another owner of the VO has put is read to its end and not written again: what counts is that the sender has it. One put
 * of an owner and digest at a time per process.
 */

import { PilotageError, shown, type Violation } from '../../core/kernel/errors.ts'
import { sandboxLimits } from '../../core/kernel/sandbox-limits.ts'
import { bytesText } from '../../core/kernel/quantities.ts'
import type { Owner } from '../../core/model/owner.ts'
import { type Content, digestForm, isDigest } from '../../core/model/sandbox-file.ts'
import type { SandboxPorts } from './ports.ts'
import { createHash } from 'node:crypto'

export type PutPorts = Pick<SandboxPorts, 'store' | 'blobs' | 'clock' | 'maxOwnerBytes'>

export type FilePutter = {
  /** Durable and whole when it resolves. Throws what the pieces throw: then nothing of them is kept. */
  put(owner: Owner, content: Content, pieces: AsyncIterable<Uint8Array>): Promise<void>
}

const removingAgainMs = 2000

export function filePutter(ports: PutPorts): FilePutter {
  const { store, blobs, clock, maxOwnerBytes } = ports
  /** By owner and digest. */
  const arriving = new Set<string>()
  return {
    async put(owner, content, pieces) {
      checkContent(content)
      const key = JSON.stringify([owner.vo, owner.group, owner.owner, content.digest])
      if (arriving.has(key)) {
        const message = `the file ${content.digest} is arriving on another stream`
        throw new PilotageError('overloaded', message, { retryAfterMs: removingAgainMs })
      }
      arriving.add(key)
      try {
        const claim = await store.claim(owner, content, maxOwnerBytes, clock.nowMs())
        if (!claim.ok)
          throw claim.why === 'quota' ? quotaError(owner, content, claim.usedBytes, maxOwnerBytes) : removingError()
        const isThere = await blobs.has({ vo: owner.vo, digest: content.digest })
        const inTime = withinTime(ports, pieces)
        if (isThere) await readThrough(content, inTime)
        else await blobs.put(owner.vo, content, inTime)
        if (!(await store.settleClaim(owner, content.digest, clock.nowMs()))) throw removingError()
      } finally {
        arriving.delete(key)
      }
    },
  }
}

function checkContent({ digest, bytes }: Content): void {
  const violations: Violation[] = []
  if (!isDigest(digest))
    violations.push({ path: 'digest', value: shown(digest), rule: 'not a digest', accepted: digestForm })
  if (violations.length > 0) throw new PilotageError('invalid-argument', 'a file without a digest', { violations })
  if (bytes <= sandboxLimits.fileBytes) return
  const accepted = `at most ${bytesText(sandboxLimits.fileBytes)} per file`
  throw new PilotageError('too-large', `a file of ${bytesText(bytes)}: ${accepted}`, {
    violations: [{ path: 'bytes', value: bytesText(bytes), rule: 'too large', accepted }],
  })
}

function quotaError({ vo, owner }: Owner, { bytes }: Content, usedBytes: number, maxBytes: number): PilotageError {
  const left = Math.max(0, maxBytes - usedBytes)
  const used = `${bytesText(usedBytes)} of ${bytesText(maxBytes)} (sandbox.maxBytesPerOwner) are in use`
  return new PilotageError(
    'quota-exceeded',
    `a file of ${bytesText(bytes)} does not fit: ${used} by ${owner} of VO ${vo}; at most ${bytesText(left)} would fit. ` +
      'Files of jobs that are not kept any more, and files that no job names, are removed after 24 hours',
    {
      violations: [
        { path: 'bytes', value: bytesText(bytes), rule: 'quota exceeded', accepted: `at most ${bytesText(left)} now` },
      ],
    },
  )
}

function removingError(): PilotageError {
  const message = 'the same content is being removed just now: put the file again'
  return new PilotageError('unavailable', message, { retryAfterMs: removingAgainMs })
}

/** A claim that is not whole ends after a time: what takes longer would arrive for no claim. */
async function* withinTime(
  { clock }: Pick<PutPorts, 'clock'>,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const endMs = clock.monotonicMs() + sandboxLimits.putWithinMs
  for await (const piece of pieces) {
    if (clock.monotonicMs() > endMs) throw new PilotageError('unavailable', 'the file took too long to arrive')
    yield piece
  }
}

/** As the homes check it. */
async function readThrough({ digest, bytes }: Content, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const hash = createHash('sha256')
  let came = 0
  for await (const piece of pieces) {
    came += piece.length
    if (came > bytes) break
    hash.update(piece)
  }
  if (came === bytes && hash.digest('hex') === digest) return
  throw new PilotageError('invalid-argument', `a file of ${came} bytes is not the content that was announced: ${digest}`)
}
