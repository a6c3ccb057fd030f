/**
 * The catalogue of a run: an image for each cloud, whose site takes its approval back at times and gives it again, and which
 * may be revoked for good. The auditor keeps since when nothing may be made from each.
 *
 * A director knows a decision when its store has answered, and may have a call to a cloud under way then: by the length of
 * both, a machine may come late.
 */

import { cloudCallMs } from '../../core/kernel/limits.ts'
import type { ImageEvent } from '../../core/model/image.ts'
import type { Store } from '../../core/ports/store.ts'
import { sampleEntry } from '../sample-images.ts'
import { nowAndThen, type World } from './world.ts'

/** A director that was slow between its look and its call, the call, and a cloud that was slow to carry it out. */
export const lateMs = 6 * cloudCallMs

const minutes = 60_000
const disapproveEveryMs = 40 * minutes
const disapprovedMs = 6 * minutes
const revokeEveryMs = 180 * minutes

export function imageOf(cloud: string): string {
  return `image-${cloud}`
}

export function siteOf(cloud: string): string {
  return `site-${cloud}`
}

/** Every image may be used when it resolves. */
export async function openCatalogue(world: World, truth: Store, clouds: readonly string[]): Promise<void> {
  const { timeline, dice, trace, barred } = world
  const revoked = new Set<string>()

  async function decide(cloud: string, event: ImageEvent): Promise<void> {
    const outcome = await truth.changeImage(event, timeline.clock.nowMs())
    if (!outcome.ok) return
    trace.note({}, `the image of ${cloud} is ${outcome.image.phase.state}`)
    if (outcome.image.phase.state === 'Approved') barred.delete(cloud)
    else if (!barred.has(cloud)) barred.set(cloud, timeline.nowMs())
  }

  const at = (cloud: string) => ({ name: imageOf(cloud), site: siteOf(cloud), by: 'ben' })
  for (const cloud of clouds) {
    const entry = sampleEntry({ name: imageOf(cloud), references: { [cloud]: 'id:1' } })
    await decide(cloud, { kind: 'add', entry, signature: '', by: 'ada' })
    await decide(cloud, { kind: 'approve', ...at(cloud) })
  }
  const oneOf = (): string => clouds[dice.whole(0, clouds.length - 1)] ?? ''
  nowAndThen(world, disapproveEveryMs, () => {
    const cloud = oneOf()
    void decide(cloud, { kind: 'disapprove', ...at(cloud) })
    timeline.after(dice.about(disapprovedMs), () => void decide(cloud, { kind: 'approve', ...at(cloud) }))
  })
  nowAndThen(world, revokeEveryMs, () => {
    const cloud = oneOf()
    // Somewhere work must go on.
    if (revoked.size + 1 >= clouds.length) return
    revoked.add(cloud)
    void decide(cloud, { kind: 'revoke', name: imageOf(cloud), by: 'eve', why: 'a hole' })
  })
}
