/**
 * Facts on the wire: their data as the message of their group, and back.
 *
 * The fields of a group have the same names on both sides; enums, durations and the plan are the exceptions. A group without
 * a message does not compile.
 */

import { type DataOf, type Fact as CoreFact, type FactOf, knownFact } from '../../core/model/fact-shapes.ts'
import { factText } from '../../core/model/facts.ts'
import * as wire from '../gen/pilotage/v1/job.ts'
import { attemptEndingEnum, payloadEndEnum } from './enums.ts'
import { durationMs, durationOf, timeMs, timeOf } from './times.ts'

export function factToWire(fact: CoreFact): wire.Fact {
  const { seq, atMs, subject, kind } = fact
  return wire.Fact.fromPartial({ seq, time: timeOf(atMs), subject, kind, text: factText(fact), ...dataToWire(fact) })
}

function dataToWire(fact: CoreFact): Partial<wire.Fact> {
  const known = knownFact(fact)
  switch (known.group) {
    case 'job': {
      return { job: jobToWire(known.data) }
    }
    case 'submitted':
      return { submitted: known.data }
    case 'vm':
      return { vm: vmToWire(known.data) }
    case 'console':
      return { console: known.data }
    case 'activation':
      return { activation: known.data }
    case 'claim':
      return { claim: known.data }
    case 'reservation':
      return { reservation: known.data }
    case 'size':
      return { size: known.data }
    case 'trait':
      return { trait: known.data }
    case 'image':
      return { image: wire.ImageFact.fromPartial(known.data) }
    case 'submission':
      return { submission: known.data }
    case 'share':
      return { share: wire.ShareFact.fromPartial(known.data) }
    case 'role':
      return { role: known.data }
    case 'breaker': {
      const { backoffMs, ...data } = known.data
      const backoff = backoffMs === undefined ? undefined : durationOf(backoffMs)
      return { breaker: wire.BreakerFact.fromPartial({ ...data, backoff }) }
    }
    case 'ending': {
      const { forMs, ...data } = known.data
      return { ending: { ...data, for: durationOf(forMs) } }
    }
    case 'orphan':
      return { orphan: known.data }
    case 'plan':
      return { plan: planToWire(known) }
    case 'other': {
      const texts = Object.entries(known.data).map(([key, value]) => [key, String(value)])
      return { other: { data: Object.fromEntries(texts) } }
    }
  }
}

function jobToWire({ end, ending, wallMs, cpuMs, claimedMs, startedMs, ...data }: DataOf<'job'>): wire.JobFact {
  return wire.JobFact.fromPartial({
    ...data,
    end: end && payloadEndEnum.number(end),
    wall: wallMs === undefined ? undefined : durationOf(wallMs),
    ending: ending && attemptEndingEnum.number(ending),
    claimTime: timeOf(claimedMs),
    startTime: timeOf(startedMs),
    cpu: cpuMs === undefined ? undefined : durationOf(cpuMs),
  })
}

function vmToWire({ contactMs, ...data }: DataOf<'vm'>): wire.VmFact {
  return wire.VmFact.fromPartial({ ...data, contactTime: timeOf(contactMs) })
}

const blockedPrefix = 'hold '

function planToWire({ data }: FactOf<'plan'>): wire.PlanFact {
  const entries = Object.entries(data)
  return {
    vms: Object.fromEntries(entries.filter(([, value]) => typeof value === 'number')) as Record<string, number>,
    blocked: Object.fromEntries(
      entries.flatMap(([key, value]) => (typeof value === 'string' ? [[key.slice(blockedPrefix.length), value]] : [])),
    ),
  }
}

/** As core has it, with the line of text that the service made. */
export function factOfWire(from: wire.Fact): CoreFact & { readonly text: string } {
  const { seq, time, subject, kind, text } = from
  return { seq, atMs: timeMs(time), subject: subject as CoreFact['subject'], kind, text, data: dataOfWire(from) }
}

function dataOfWire(from: wire.Fact): CoreFact['data'] {
  const { job, breaker, ending, plan, other } = from
  if (job) {
    const { end, wall, ending: ended, claimTime, startTime, cpu, ...data } = job
    return defined({
      ...data,
      end: payloadEndEnum.word(end),
      wallMs: wall && durationMs(wall),
      ending: attemptEndingEnum.word(ended),
      claimedMs: claimTime && timeMs(claimTime),
      startedMs: startTime && timeMs(startTime),
      cpuMs: cpu && durationMs(cpu),
    })
  }
  if (from.vm) {
    const { contactTime, ...data } = from.vm
    return defined({ ...data, contactMs: contactTime && timeMs(contactTime) })
  }
  if (breaker) {
    const { backoff, ...data } = breaker
    return defined({ ...data, backoffMs: backoff && durationMs(backoff) })
  }
  if (ending) {
    const { for: since, ...data } = ending
    return { ...data, forMs: since ? durationMs(since) : 0 }
  }
  if (plan) {
    const blocked = Object.entries(plan.blocked).map(([cause, why]) => [`${blockedPrefix}${cause}`, why])
    return { ...plan.vms, ...Object.fromEntries(blocked) }
  }
  if (other) return other.data
  const { submitted, console, activation, claim, size, trait, reservation, image, submission, role, orphan } = from
  const ofVm = console ?? activation ?? claim ?? size ?? trait ?? reservation
  return defined(submitted ?? ofVm ?? image ?? submission ?? role ?? orphan ?? {})
}

function defined(message: object): CoreFact['data'] {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined)) as CoreFact['data']
}
