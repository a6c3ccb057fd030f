/** Ends what is left of a payload: its group, its session, and whatever left both. Says what would not go. */

import { type Clock, sleep } from '../../core/kernel/clock.ts'
import type { ProcessStat, Wanted } from './processes.ts'
import type { Watch } from './watch.ts'

export type Swept = { readonly ended: number; readonly left: number }

const sweepEveryMs = 20
/** A process that a kill does not end waits in the kernel, for a dead disk mostly: no use in waiting with it. */
const giveUpAfterMs = 5000

/**
 * The group is only named while its leader is ours: afterwards its number may be another process's. The leader of a
 * namespace gets the kill alone: it ends with its parent's signal, and everything in the namespace ends with it.
 */
export function signalAll(
  { leader, hasInit }: Wanted,
  processes: readonly ProcessStat[],
  signal: NodeJS.Signals,
  leaderLives: boolean,
): void {
  if (hasInit) {
    for (const { pid } of processes) if (pid !== leader) send(pid, signal)
    if (leaderLives && signal === 'SIGKILL') send(leader, signal)
    return
  }
  if (leaderLives) send(-leader, signal)
  for (const { pid, group } of processes) if (!leaderLives || group !== leader) send(pid, signal)
}

/**
 * What was asked to stop may do so until `patientUntilMs` (monotonic); then everything is killed until nothing is left.
 * `endRest`: ends at once what no look finds, since it forks faster; resolves with how many processes did not end.
 */
export async function endAll(
  clock: Clock,
  watch: Watch,
  wanted: Wanted,
  patientUntilMs: number,
  endRest: () => Promise<number> = async () => 0,
): Promise<Swept> {
  const killed = new Set<number>()
  const giveUpMs = Math.max(clock.monotonicMs(), patientUntilMs) + giveUpAfterMs
  for (;;) {
    const left = await watch.look(wanted)
    const nowMs = clock.monotonicMs()
    if (left.length === 0 || nowMs >= giveUpMs) {
      return { ended: killed.size, left: Math.max(left.length, await endRest()) }
    }
    if (nowMs >= patientUntilMs) {
      for (const { pid } of left) killed.add(pid)
      signalAll(wanted, left, 'SIGKILL', false)
      await endRest()
    }
    await sleep(clock, sweepEveryMs)
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended by itself, which is what we wanted.
  }
}
