/** The one text of a cause, for the plan's facts and for every page and answer. */

import { bytesText } from '../kernel/quantities.ts'
import { ruleText } from '../language/rule.ts'
import type { BlockedScope } from './breaker.ts'
import type { Blocked, Cause, Doubted, Limit, Shortage, Unread } from './cause.ts'

export function blockedText({ cause, shortage }: Blocked): string {
  return shortage ? `${shortageText(shortage)}: ${causeText(cause)}` : causeText(cause)
}

export function shortageText({ service, site, present, wanted }: Shortage): string {
  return `site ${site} has ${present} of ${wanted} wanted ${service} VMs`
}

/** Without the reason's name: the edges show it beside the text. */
export function causeText(cause: Cause): string {
  if ('words' in cause) return cause.words
  switch (cause.why) {
    case 'covered':
      return coveredTexts[cause.by]
    case 'no-fit': {
      const { closest } = cause
      if (!closest) return 'no offering fits'
      return `no offering fits; closest: ${closest.cloud}/${closest.flavor} (${closest.broken.map(ruleText).join('; ')})`
    }
    case 'limit':
    case 'quota':
      return limitText(cause.limit)
    case 'ramp':
      return `maximum of ${cause.maxCreates} creates per step`
    case 'breaker':
      return scopeText(cause.breaker)
    case 'unread':
      return readingText(cause.reading)
    case 'frozen':
      return `nothing is ended: ${readingText(cause.reading)}`
  }
}

const coveredTexts = {
  free: 'free room on active VMs',
  coming: 'VMs on their way',
  soon: 'running jobs that may end soon',
} as const

function limitText({ name, used, max }: Limit): string {
  switch (name) {
    case 'vms':
      return `${used} of ${max} VMs`
    case 'cores':
      return `${used} of ${max} cores`
    case 'memory':
      return `${bytesText(used)} of ${bytesText(max)} memory`
  }
}

export function scopeText(blocked: BlockedScope): string {
  const { kind, name, why } = blocked
  switch (blocked.state) {
    case 'open':
      return `${kind} ${name}: open until ${new Date(blocked.untilMs).toISOString()} (${why})`
    case 'half-open':
      return `${kind} ${name}: half-open, one probe (${why})`
  }
}

function readingText(reading: Unread | Doubted): string {
  switch (reading.kind) {
    case 'failed':
      return `the cloud could not be read: ${reading.failure}`
    case 'never':
      return 'the cloud has not been read yet'
    case 'stale':
      return `the cloud's last list is of ${new Date(reading.listBeganMs).toISOString()}`
    case 'implausible':
      return reading.words
    case 'not-configured':
      return `the cloud is not configured and ${reading.vms} of our VMs may be there`
  }
}
