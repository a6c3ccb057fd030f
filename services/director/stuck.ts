/**
 * Machines that their cloud does not end: a delete that fails again and again, or one that is accepted and never done. After
 * some tries people are called, once: by a line in the log, by a fact in the VM's history, and by the note of the cloud as
 * long as the machine is there. Only an administrator of the cloud can do more.
 *
 * Such a machine is asked for less often, and never given up: it takes from the quota and is paid for. Times are those of
 * the monotonic clock, but for the one that people read.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { stuckAgainMs, stuckMs, stuckTries } from '../../core/kernel/limits.ts'
import { durationText } from '../../core/kernel/quantities.ts'
import { newFact } from '../../core/model/fact-shapes.ts'
import type { StuckVm } from '../../core/plan/cloud-note.ts'
import type { CloudHand } from './create.ts'
import type { CloudMemory, Ending } from './memory.ts'
import type { Orphan } from './orphans.ts'

/** Notes are small. */
const maxNoted = 100

export function isDue({ endings }: CloudMemory, ref: string, clock: Clock): boolean {
  const ending = endings.get(ref)
  return !ending?.isReported || clock.monotonicMs() - ending.askedMs >= stuckAgainMs
}

/** `why`: what the cloud answered; empty: it accepted the call. */
export async function noteTry(hand: CloudHand, { ref, vmId }: Pick<Orphan, 'ref' | 'vmId'>, why: string): Promise<void> {
  const { options, directed, memory } = hand
  const { clock, log, store } = options
  const askedMs = clock.monotonicMs()
  const before = memory.endings.get(ref) ?? { vmId, tries: 0, beganMs: askedMs, sinceMs: clock.nowMs(), isReported: false }
  const words = why === '' ? `the cloud shows it as ${memory.shown.get(ref) ?? 'ending'}` : why
  const tried: Ending = { ...before, tries: before.tries + 1, askedMs, why: words }
  const forMs = askedMs - tried.beganMs
  const isNew = !tried.isReported && tried.tries >= stuckTries && forMs >= stuckMs
  memory.endings.set(ref, isNew ? { ...tried, isReported: true } : tried)
  if (!isNew) return
  const { tries } = tried
  const fields = { cloud: directed.cloud.name, vm: vmId, ref, tries, since: durationText(forMs), why: words }
  log.error(fields, 'a VM cannot be ended: an administrator of the cloud has to look at it')
  const data = { cloud: directed.cloud.name, ref, tries, forMs, why: words }
  await store.emit([newFact('ending', `vm:${vmId}`, 'cannot be ended', data)], clock.nowMs())
}

export function stuckIn({ endings }: CloudMemory): readonly StuckVm[] {
  return [...endings]
    .flatMap(([ref, { vmId, sinceMs, why, isReported }]) => (isReported ? [{ vmId, ref, sinceMs, why }] : []))
    .slice(0, maxNoted)
}
