/**
 * Jobs, VMs and facts as the page's JSON shows them: flat, and field by field, so that nothing travels that was not meant
 * to. A VM's activation key has no way through here, and neither have a job's arguments and environment.
 */

import type { Result } from '../../core/model/attempt.ts'
import type { Fact } from '../../core/model/fact-shapes.ts'
import { factText, jobSubject } from '../../core/model/facts.ts'
import { isEnded, type Job, leaseOf, type Stop } from '../../core/model/job.ts'
import { type KeptVm, type Beat, isOver, refOf, type Vm, type VmShape, type VmStateName } from '../../core/model/vm.ts'
import { visibleText } from '../../core/kernel/text.ts'

export type FactView = {
  readonly seq: number
  readonly atMs: number
  readonly subject: string
  readonly kind: string
  /** One readable line. */
  readonly text: string
}

export function factView(fact: Fact): FactView {
  return { seq: fact.seq, atMs: fact.atMs, subject: fact.subject, kind: fact.kind, text: visibleText(factText(fact)) }
}

/** A job's own row is the first line of its story. */
export function submittedView({ id, owner, group, vo, submittedMs }: Job): FactView {
  const text = `Submitted: owner ${owner}, group ${group}, vo ${vo}`
  return { seq: 0, atMs: submittedMs, subject: jobSubject(id), kind: 'Submitted', text }
}

export type JobView = Omit<Job, 'phase'> & {
  readonly state: Job['phase']['state']
  readonly why: string
  /** Where it runs or ran last; empty: nowhere yet. */
  readonly vmId: string
  readonly cores: number
  readonly leaseUntilMs?: number
  readonly startedMs?: number
  /** What its pilot was asked to do and has not done yet. */
  readonly asked?: Stop
  readonly result?: Result
}

export function jobView({ phase, ...job }: Job): JobView {
  const lease = 'lease' in phase ? phase.lease : undefined
  const result = 'result' in phase ? phase.result : undefined
  return {
    ...job,
    state: phase.state,
    why: 'why' in phase ? phase.why : '',
    vmId: lease?.vmId ?? '',
    cores: lease?.cores ?? 0,
    leaseUntilMs: leaseOf(phase)?.untilMs,
    startedMs: 'startedMs' in phase ? phase.startedMs : result?.startedMs,
    asked: isEnded(phase) ? undefined : lease?.stop,
    result,
  }
}

export type VmView = VmShape &
  Pick<Vm, 'addresses'> & {
    readonly id: string
    readonly state: VmStateName
    /** The cloud's own id; empty: not known yet. */
    readonly ref: string
    /** Why the plan wanted it. */
    readonly reason: string
    /** Why it stops or ended. */
    readonly why: string
    readonly intendedMs: number
    readonly changedMs: number
    readonly endByMs: number
    readonly activeMs?: number
    readonly endedMs?: number
    readonly beat?: Beat
    readonly leases: number
    readonly used: KeptVm['used']
  }

const unused: KeptVm['used'] = { cores: 0, memoryBytes: 0, diskBytes: 0 }

export function vmView(vm: Vm, { leases, used }: Pick<KeptVm, 'leases' | 'used'> = { leases: 0, used: unused }): VmView {
  const { activation: _, phase, ...shape } = vm
  return {
    ...shape,
    state: phase.state,
    ref: refOf(phase),
    why: 'why' in phase ? phase.why : '',
    activeMs: 'activeMs' in phase ? phase.activeMs : undefined,
    endedMs: isOver(phase) ? vm.changedMs : undefined,
    leases,
    used,
  }
}
