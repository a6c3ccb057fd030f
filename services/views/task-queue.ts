/** A task queue as texts for people: what its jobs ask for, and what they wait for. */

import { bytesText, durationText } from '../../core/kernel/quantities.ts'
import { traitTexts } from '../../core/language/place-rules.ts'
import { ruleText } from '../../core/language/rule.ts'
import { memoryText, workText } from '../../core/language/rules.ts'
import type { Requirements } from '../../core/model/requirements.ts'
import type { WaitsFor } from '../jobs/task-queues.ts'

/** In one line, without what is not asked for. */
export function wantedText(requirements: Requirements): string {
  const { diskBytes, wallMs, cpuWorkMs, wholeNode, gpus, platforms, sites, clouds, tags, alternatives } = requirements
  const { min, max } = requirements.cores
  return [
    min === max ? `${min} ${min === 1 ? 'core' : 'cores'}` : `${min} to ${max} cores`,
    wholeNode && 'a whole node',
    memoryText(requirements) !== bytesText(0) && `${memoryText(requirements)} memory`,
    diskBytes > 0 && `${bytesText(diskBytes)} disk`,
    gpus && `${gpus.min === gpus.max ? gpus.min : `${gpus.min} to ${gpus.max}`} GPUs`,
    cpuWorkMs === undefined ? `${durationText(wallMs)} wall time` : `CPU work of ${workText(requirements)}`,
    platforms.length > 0 && `platform ${platforms.join(' or ')}`,
    sites.allowed.length > 0 && `at ${sites.allowed.join(' or ')}`,
    sites.banned.length > 0 && `not at ${sites.banned.join(', ')}`,
    clouds.allowed.length > 0 && `on ${clouds.allowed.join(' or ')}`,
    clouds.banned.length > 0 && `not on ${clouds.banned.join(', ')}`,
    tags.length > 0 && `tags ${tags.join(', ')}`,
    ...traitTexts(requirements),
    alternatives && `one of ${alternatives.length} alternatives`,
  ]
    .filter(Boolean)
    .join(', ')
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
