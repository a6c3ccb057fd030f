/**
 * Sweep: what no request asks for and one process of an installation must do. Leases that ended are given up, jobs that
 * wait for one that ended are released if no other process did so, and what ended long ago is forgotten.
 *
 * One step, idempotent, under the role `sweeper`. After a start, after taking the role over, after a stall of our own, and
 * after a time in which no process served pilots, no lease is ended for our silence: every lease gets its whole time again
 * before the first one is given up. So it does after our clock was put ahead, and a step judges by the clock as it was when
 * the step began: nothing that it waits for can end a lease early. A lease that was written with a clock that was ahead is
 * cut to the time that a lease has: soon if our own clock was put back, else once per lease time.
 */

import type { JobId } from '../../core/kernel/ids.ts'
import { processSkewMs, sweepEveryMs } from '../../core/kernel/limits.ts'
import type { Fence } from '../../core/ports/store.ts'
import type { JobPorts } from './ports.ts'
import { maxEnded, maxReleased, releaseDependants } from '../outcomes/dependants.ts'
import { apiSeats } from '../../core/model/roles.ts'

/** Leases given up in one step, and jobs forgotten in one round. */
const maxJobs = 1000
const forgetEveryMs = 60_000
/** Rounds follow each other for this time, so that what is kept does not grow for ever; the next step is not late for it. */
const maxForgetMs = 2000
/** The process that ended a job has this time to release its dependants before the sweeper does. */
const releaseAfterMs = 5000
/** Rounds of that; the next step is not late for it. */
const maxReleaseMs = 2000
/** Rounds of cutting leases; what is left is cut one lease time later. */
const maxCutMs = 10_000

export type Sweep = {
  /** Does nothing without the role. A second sweeper would do no harm, since every change is decided by the store. */
  step(under: Fence | undefined): Promise<void>
}

export function sweep(ports: JobPorts): Sweep {
  const { store, clock, policy } = ports
  let fence: number | undefined
  let graceUntilMs = Infinity
  let lastMs = -Infinity
  let forgotMs = clock.monotonicMs()
  let cutMs = -Infinity
  /** The wall clock less the monotonic one, when the step began. */
  let apartMs: number | undefined

  async function cutLeases(): Promise<void> {
    const endMs = clock.monotonicMs() + maxCutMs
    while (clock.monotonicMs() < endMs) {
      const nowMs = clock.nowMs()
      const untilMs = nowMs + policy.leaseMs
      const beyond = await store.leasesBeyond(untilMs + processSkewMs, maxJobs)
      if (beyond.length === 0) return
      await store.change(
        beyond.map((ref) => ({ kind: 'cut', ...ref, untilMs })),
        nowMs,
      )
      if (beyond.length < maxJobs) return
    }
  }

  async function forget(): Promise<void> {
    const endMs = clock.monotonicMs() + maxForgetMs
    const accountedMs = await accountedUntil(ports)
    while (clock.monotonicMs() < endMs) {
      const beforeMs = Math.min(clock.nowMs() - policy.keepEndedMs, accountedMs)
      const forgotten: readonly JobId[] = await store.forget(beforeMs, maxJobs)
      if (forgotten.length === 0) return
      await ports.sandbox.forget(forgotten)
    }
  }

  return {
    async step(under) {
      if (!under) return
      const aheadMs = clock.nowMs() - clock.monotonicMs()
      const movedMs = aheadMs - (apartMs ?? aheadMs)
      apartMs = aheadMs
      const isServed = (await store.roles(apiSeats.prefix, clock.nowMs())).length > 0
      const nowMs = clock.monotonicMs()
      const wasPutBack = movedMs < -processSkewMs
      // No process was there for a while: pilots may have tried to renew in vain.
      const isFresh = under.fence !== fence || nowMs - lastMs > 5 * sweepEveryMs
      const wasPutAhead = movedMs > processSkewMs
      if (isFresh || wasPutAhead || !isServed) graceUntilMs = nowMs + policy.leaseMs
      fence = under.fence
      lastMs = nowMs
      if (isFresh || wasPutBack || nowMs - cutMs >= policy.leaseMs) {
        cutMs = nowMs
        await cutLeases()
      }
      if (nowMs >= graceUntilMs) await loseExpired(ports, clock.monotonicMs() + aheadMs)
      await releaseLeft(ports)
      if (nowMs - forgotMs < forgetEveryMs) return
      forgotMs = nowMs
      await forget()
    },
  }
}

/** Facts from then on may not be accounted yet, and stay until they are. */
async function accountedUntil({ store }: JobPorts): Promise<number> {
  const [next] = await store.facts(await store.accountedSeq(), 1)
  return next?.atMs ?? Infinity
}

/** Ends whose dependants the process that wrote them does not look after: it died, or its store call failed. */
async function releaseLeft(ports: JobPorts): Promise<void> {
  const { store, clock } = ports
  const endMs = clock.monotonicMs() + maxReleaseMs
  while (clock.monotonicMs() < endMs) {
    const ended = await store.awaitedEnds(clock.nowMs() - releaseAfterMs, maxReleased)
    if (ended.length === 0) return
    for (let at = 0; at < ended.length && clock.monotonicMs() < endMs; at += maxEnded) {
      await releaseDependants(ports, ended.slice(at, at + maxEnded))
    }
    if (ended.length < maxReleased) return
  }
}

async function loseExpired({ store, outcomes }: JobPorts, nowMs: number): Promise<void> {
  const expired = await store.expired(nowMs, maxJobs)
  if (expired.length === 0) return
  const why = 'the lease ended without a renewal'
  const changes = await store.change(
    expired.map((ref) => ({ kind: 'lost', ...ref, why, ifBeforeMs: nowMs })),
    nowMs,
  )
  await outcomes.changed(changes)
}
