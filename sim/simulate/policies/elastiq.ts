/**
 * elastiq's rule: if at least 10 jobs waited for 100 s, as many VMs as the waiting jobs fill, less the jobs that VMs on
 * their way are expected to run. A VM counts as one job per core, by default 4.
 *
 * It looks at the queue every 15 s and at VMs every 45 s. A VM that takes no jobs 600 s after it was made is ended, a VM
 * that is idle for an hour too, and one that is switched off at once; nothing else ever ends one. In favour of elastiq: it
 * knows one cloud, and here the next one when the first is full.
 */

import type { Offering } from '../../../core/model/cloud.ts'
import { isComing } from '../../../core/model/vm.ts'
import { type Decision, endCrashed, type PolicyCloud, type PolicyMaker, type PolicyView, roomFor } from './policy.ts'

const queueEveryMs = 15_000
const vmsEveryMs = 45_000
const minWaitingJobs = 10
const waitedMs = 100_000
const deployMs = 600_000
const idleMs = 3_600_000
const jobsPerVm = 4

export const elastiq: PolicyMaker = {
  name: 'elastiq',
  summary: 'VMs for (waiting - expected) / jobs per VM, if 10 jobs waited for 100 s; ended after an hour without a job',
  open() {
    let sinceMs = Infinity
    return {
      name: 'elastiq',
      intervalMs: queueEveryMs,
      idle: { timeoutMs: idleMs, lookEveryMs: vmsEveryMs },
      hasBreakers: false,
      plan(view) {
        if (view.waiting.jobs < minWaitingJobs) sinceMs = Infinity
        else sinceMs = Math.min(sinceMs, view.nowMs)
        const isDue = view.nowMs - sinceMs >= waitedMs
        const ends = [...endCrashed(view, 0), ...(view.nowMs % vmsEveryMs === 0 ? late(view) : [])]
        if (!isDue) return ends
        sinceMs = Infinity
        return [...ends, ...growth(view)]
      },
    }
  },
}

/** Most flavors of its time had 4 cores: of those here the smallest that takes 4 jobs, else the largest. */
function fourJobFlavor({ offerings }: PolicyCloud): Offering | undefined {
  const bySize = offerings.toSorted((a, b) => a.cores - b.cores || a.pricePerHour - b.pricePerHour)
  return bySize.find(({ cores }) => cores >= jobsPerVm) ?? bySize.at(-1)
}

function growth(view: PolicyView): readonly Decision[] {
  const expected = view.clouds.reduce((sum, { tally }) => sum + tally.comingCores, 0)
  let missing = view.waiting.jobs - expected
  const decisions: Decision[] = []
  for (const cloud of view.clouds) {
    const offering = fourJobFlavor(cloud)
    if (!offering || missing <= 0) break
    const count = Math.min(Math.ceil(missing / offering.cores), roomFor(cloud, offering))
    if (count <= 0) continue
    missing -= count * offering.cores
    const reason = `${view.waiting.jobs} jobs wait and ${expected} are expected to start`
    decisions.push({ kind: 'create', offering, count, reason })
  }
  return decisions
}

/** Made and not seen in the batch system in time. */
function late(view: PolicyView): readonly Decision[] {
  const decisions: Decision[] = []
  for (const { kept, createdMs } of view.vms()) {
    const { id, phase } = kept.vm
    if (isComing(phase) && view.nowMs - createdMs > deployMs)
      decisions.push({ kind: 'stop', vmId: id, reason: 'not in the batch system in time' })
  }
  return decisions
}
