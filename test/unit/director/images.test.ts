/**
 * VMs only from images that may be used: what the director does with the catalogue, before a plan, within a step and after.
 */

import { describe, expect, it } from 'vitest'
import type { ImageEntry } from '../../../core/model/image-entry.ts'
import type { ImageEvent } from '../../../core/model/image.ts'
import type { FleetPlan } from '../../../core/plan/fleet.ts'
import type { ClassId } from '../../../core/kernel/ids.ts'
import { blockedBy } from '../../../services/director/blocked-by.ts'
import { openTrust } from '../../../services/images/trust.ts'
import { sampleEntry, sampleKey } from '../../../sim/sample-images.ts'
import { sampleQueue } from '../../../sim/samples.ts'
import { openWorld, sampleOffering, type World } from './world.ts'

const ops = sampleKey()
const trust = openTrust(new Map([['ops', ops.publicPem]]))
const gated = { trust, directed: { startsImages: true } }
const revoke: ImageEvent = { kind: 'revoke', name: 'plain', by: 'eve', why: 'a hole' }

async function decide(world: World, ...events: readonly ImageEvent[]): Promise<void> {
  for (const event of events) expect(await world.store.changeImage(event, world.clock.nowMs())).toMatchObject({ ok: true })
}

function added(changes: Partial<ImageEntry> = {}, signature?: string): ImageEvent {
  const entry = sampleEntry(changes)
  return { kind: 'add', entry, signature: signature ?? ops.sign(entry), by: 'ada' }
}

const at = (kind: 'approve' | 'disapprove'): ImageEvent => ({ kind, name: 'plain', site: 'home', by: 'ben' })

const holds = ({ lines }: FleetPlan) =>
  lines.flatMap((line) => (line.kind === 'hold' && line.cause.why === 'image' ? [line] : []))

const notApproved = { why: 'image', words: 'image plain is not approved by site home' } as const

describe('a VM is made', () => {
  it('only when its image is in the catalogue and approved, and the plan says what is missing', async () => {
    const world = openWorld(gated)
    await world.submit(1)
    const [unknown] = holds(await world.next())
    expect(unknown).toMatchObject({ cloud: 'here', jobs: 1, cause: { words: 'image plain is not in the catalogue' } })
    await decide(world, added())
    expect(holds(await world.next())[0]).toMatchObject({ cause: notApproved })
    const blocking = await blockedBy(world.store, ['here'], sampleQueue().id)
    expect(blocking).toEqual([{ cloud: 'here', cause: notApproved }])
    expect(await blockedBy(world.store, ['here', 'there'], 'another' as ClassId)).toEqual([])
    expect(world.cloud.calls.create).toBe(0)
    await decide(world, at('approve'))
    expect(holds(await world.next())).toEqual([])
    expect(world.cloud.machines.map(({ order }) => order.imageRef)).toEqual([{ by: 'id', id: 'image-1' }])
  })

  it.each<[string, ImageEvent, RegExp]>([
    ['another key has signed', added({}, sampleKey().sign(sampleEntry())), /its signature is not by the key of ops/],
    ['no site trusts who signed', added({ endorsedBy: 'eve' }), /its endorser eve is not trusted/],
    ['it is not valid any more', added({ validUntilMs: 1 }), /not valid since 1970-01-01/],
    ['the cloud does not have it', added({ references: { there: 'id:1' } }), /no reference for cloud here/],
  ])('not where %s', async (_, add, reason) => {
    const world = openWorld(gated)
    await world.submit(1)
    // As if it had come into the store by another way than the one that looks.
    await decide(world, add, at('approve'))
    expect(holds(await world.next())[0]).toMatchObject({ cause: { words: expect.stringMatching(reason) } })
    expect(world.cloud.calls.create).toBe(0)
  })

  it('on another cloud at once, where the image may be used', async () => {
    const offering = (cloud: string, pricePerHour: number) => sampleOffering({ cloud, site: `of-${cloud}`, pricePerHour })
    const clouds = [
      { name: 'here', offerings: [offering('here', 1)] },
      { name: 'there', offerings: [offering('there', 2)] },
    ]
    const world = openWorld({ ...gated, clouds })
    await world.submit(1)
    const there: ImageEvent = { kind: 'approve', name: 'plain', site: 'of-there', by: 'ben' }
    await decide(world, added({ references: { here: 'id:1', there: 'name:2' } }), there)
    await world.next()
    expect(world.clouds.map(({ machines }) => machines.length)).toEqual([0, 1])
    expect(world.clouds[1]?.machines[0]?.order.imageRef).toEqual({ by: 'name', name: '2' })
  })

  it('without any of this where machines are made from no image', async () => {
    const world = openWorld({ trust })
    await world.submit(1)
    await world.next()
    expect(world.cloud.machines.map(({ order }) => order.imageRef)).toEqual([undefined])
  })

  it('not when its image is revoked between the plan and the order', async () => {
    const world = openWorld(gated)
    await world.submit(1)
    await decide(world, added(), at('approve'))
    const { images } = world.store
    // The step reads all of them for its plan, and the one of the order right before it.
    Object.assign(world.store, {
      images: async (names?: readonly string[]) => {
        if (names) await world.store.changeImage(revoke, world.clock.nowMs())
        return images(names)
      },
    })
    const plan = await world.next()
    expect(plan.lines.map(({ kind }) => kind)).toContain('create')
    expect(world.cloud.calls.create).toBe(0)
    expect(await world.vms()).toEqual([])
  })

  it('not a second time, when its image was revoked after an order without an answer', async () => {
    const world = openWorld(gated)
    await world.submit(1)
    await decide(world, added(), at('approve'))
    world.cloud.script('create', { code: 'cloud-transient' })
    await world.next()
    expect(await world.states()).toEqual(['Intended'])
    await decide(world, revoke)
    await world.cycles(8)
    expect(world.cloud.calls.create).toBe(1)
    expect(await world.vms()).toEqual([])
  })
})

describe('what runs', () => {
  async function running(): Promise<World> {
    const world = openWorld(gated)
    await decide(world, added(), at('approve'))
    await world.submit(1)
    await world.next()
    await world.clock.advance(5000)
    await world.pilots()
    expect(await world.states()).toEqual(['Active'])
    return world
  }

  it('drains when its image is revoked, also while its job runs, and is not replaced', async () => {
    const world = await running()
    const [vm] = await world.vms()
    if (!vm) throw new Error('a VM runs')
    await world.claim(1 as Parameters<World['claim']>[0], vm.vm.id)
    await world.submit(3)
    await decide(world, revoke)
    const plan = await world.next()
    expect(plan.lines.filter(({ kind }) => kind === 'drain')).toMatchObject([
      { vmId: vm.vm.id, reason: 'image revoked: a hole (by eve)' },
    ])
    expect(holds(plan)[0]).toMatchObject({ cause: { words: 'image plain was revoked by eve: a hole' } })
    expect(await world.states()).toEqual(['Draining'])
    expect((await world.facts(`vm:${vm.vm.id}`)).at(-1)).toMatchObject({
      kind: 'Draining',
      data: { why: 'image revoked: a hole (by eve)' },
    })
    expect(world.cloud.calls.create).toBe(1)
  })

  it('is let go when its image is revoked before it came up', async () => {
    const world = openWorld(gated)
    await decide(world, added(), at('approve'))
    await world.submit(1)
    await world.next()
    await decide(world, revoke)
    await world.cycles(3)
    expect(await world.vms()).toEqual([])
    expect(world.cloud.present()).toEqual([])
  })

  it('drains also while its cloud cannot be read', async () => {
    const world = await running()
    await decide(world, revoke)
    world.cloud.script('list', { code: 'cloud-transient' })
    const { lines } = await world.next()
    expect(lines.map(({ kind }) => kind)).toContain('drain')
    expect(await world.states()).toEqual(['Draining'])
  })

  it('goes on when its site takes its approval back or its time is over', async () => {
    const world = await running()
    await decide(world, at('disapprove'))
    await world.submit(9)
    const plan = await world.next()
    expect(holds(plan)).toHaveLength(1)
    expect(plan.lines.filter(({ kind }) => kind === 'drain')).toEqual([])
    expect(await world.states()).toEqual(['Active'])
  })

  it('drains also where the image is no longer among the offerings', async () => {
    const world = await running()
    for (const directed of world.options.clouds) Object.assign(directed, { offerings: [sampleOffering({ image: 'new' })] })
    await decide(world, revoke)
    await world.next()
    expect(await world.states()).toEqual(['Draining'])
  })
})
