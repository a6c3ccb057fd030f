/** A task queue as texts for people: what its jobs ask for, and what they wait for. */

import { durationText } from '../../core/kernel/quantities.ts'
import { requirementFields } from '../../core/language/fields.ts'
import { ruleText } from '../../core/language/rule.ts'
import type { Requirements } from '../../core/model/requirements.ts'
import { type Amount, amounts } from '../../core/model/resources.ts'
import type { WaitsFor } from '../jobs/task-queues.ts'

/** In one line, without what is not asked for. */
export function wantedText(requirements: Requirements): string {
  const { wallMs, platforms, sites, clouds, tags } = requirements
  const { min, max } = requirements.cores
  return [
    min === max ? `${min} ${min === 1 ? 'core' : 'cores'}` : `${min} to ${max} cores`,
    ...amounts.map((key) => requirements[key] > 0 && amountText(key, requirements[key])),
    `${durationText(wallMs)} wall time`,
    platforms.length > 0 && `platform ${platforms.join(' or ')}`,
    sites.allowed.length > 0 && `at ${sites.allowed.join(' or ')}`,
    sites.banned.length > 0 && `not at ${sites.banned.join(', ')}`,
    clouds.allowed.length > 0 && `on ${clouds.allowed.join(' or ')}`,
    clouds.banned.length > 0 && `not on ${clouds.banned.join(', ')}`,
    tags.length > 0 && `tags ${tags.join(', ')}`,
  ]
    .filter(Boolean)
    .join(', ')
}

function amountText(key: Amount, value: number): string {
  const { name, type } = requirementFields[key]
  return `${type.show(value)} ${name}`
}

export function waitsForText(waitsFor: WaitsFor): string {
  switch (waitsFor.kind) {
    case 'room':
      return `room on ${waitsFor.up} VMs that fit it; ${waitsFor.coming} more are coming`
    case 'vm':
      return `a VM: ${waitsFor.cloud}/${waitsFor.flavor}/${waitsFor.image} fits`
    case 'cloud':
      return 'a cloud: none is configured'
    case 'nothing':
      return `an offering: none fits; closest (${waitsFor.closest.map(ruleText).join('; ')})`
  }
}
