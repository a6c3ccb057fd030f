/** A machine that its cloud does not end: it is asked for again, and after some tries people are called. */

import { expect, it } from 'vitest'
import { cloudNote, noteOf } from '../../../core/plan/cloud-note.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import { type Log, silentLog } from '../../../core/ports/log.ts'
import { alice } from '../../../sim/samples.ts'
import { cloudStatus, cloudsFor } from '../../../services/vms/list-clouds.ts'
import { openWorld, periodMs, type World } from './world.ts'

const minuteMs = 60_000
const configured = [{ name: 'here', kind: 'fake', site: 's', limits: { maxVms: 9, maxCores: 9, maxCreatesPerStep: 9 } }]

type Written = { readonly level: string; readonly fields: object; readonly text: string }

function writing(written: Written[]): Log {
  const write = (level: string) => (fields: object, text: string) => void written.push({ level, fields, text })
  return { ...silentLog(), warn: write('warn'), error: write('error') }
}

/** One VM whose image does not come up: it is stopped at its boot deadline. */
async function stopping(world: World): Promise<VmId> {
  world.cloud.rates.neverBoots = 1
  const job = await world.submit(1)
  await world.step()
  const [kept] = await world.vms()
  if (!kept) throw new Error('a VM is wanted')
  const { id } = kept.vm
  await world.kill(job)
  for (let cycle = 0; cycle < 20; cycle += 1) {
    await world.next()
    if ((await world.store.vm(id))?.vm.phase.state === 'Stopping') return id
  }
  throw new Error('it should be stopped')
}

const stuckIn = async (world: World) => noteOf(await world.store.note(cloudNote('here')))?.stuck ?? []
const endingFacts = async (world: World, id: VmId) =>
  (await world.facts(`vm:${id}`)).filter(({ kind }) => kind === 'cannot be ended')

it('is named once in the log and in its history, stands with the cloud until it is gone, and is asked for once a minute', async () => {
  const written: Written[] = []
  const world = openWorld({ clouds: [{ destroyMs: Infinity }], log: writing(written) })
  const id = await stopping(world)
  const { ref } = world.cloud.find(id) ?? { ref: '' }
  const sinceMs = world.clock.nowMs()
  for (let passedMs = 0; passedMs < 9 * minuteMs; passedMs += periodMs) await world.next()
  expect(await endingFacts(world, id)).toEqual([])
  expect(await stuckIn(world)).toEqual([])
  for (let passedMs = 0; passedMs < 3 * minuteMs; passedMs += periodMs) await world.next()
  const [fact, ...more] = await endingFacts(world, id)
  expect(more).toEqual([])
  expect(fact?.data).toMatchObject({ cloud: 'here', ref, why: 'the cloud shows it as ending' })
  expect(Number(fact?.data.tries)).toBeGreaterThanOrEqual(10)
  const lines = written.filter(({ text }) => text.startsWith('a VM cannot be ended'))
  expect(lines).toMatchObject([{ level: 'error', fields: { cloud: 'here', vm: id, ref } }])
  const [stuck] = await stuckIn(world)
  expect(stuck).toMatchObject({ vmId: id, ref, why: 'the cloud shows it as ending' })
  expect(Math.abs((stuck?.sinceMs ?? 0) - sinceMs)).toBeLessThanOrEqual(2 * periodMs)

  const before = world.cloud.calls.destroy
  for (let passedMs = 0; passedMs < 10 * minuteMs; passedMs += periodMs) await world.next()
  expect(world.cloud.calls.destroy - before).toBeLessThanOrEqual(11)
  expect(world.cloud.calls.destroy - before).toBeGreaterThanOrEqual(9)
  expect(await endingFacts(world, id)).toHaveLength(1)

  // Another director neither forgets it nor calls again.
  world.restart()
  await world.cycles(3)
  expect(await stuckIn(world)).toHaveLength(1)
  for (let passedMs = 0; passedMs < 15 * minuteMs; passedMs += periodMs) await world.next()
  expect(await endingFacts(world, id)).toHaveLength(1)

  world.cloud.vanish(id)
  await world.cycles(10)
  expect(await stuckIn(world)).toEqual([])
  expect((await world.store.vm(id))?.vm.phase.state).toBe('Failed')
})

it('is named with what its cloud answers where the call fails', async () => {
  const world = openWorld()
  world.cloud.rates.destroy = 1
  const id = await stopping(world)
  for (let passedMs = 0; passedMs < 12 * minuteMs; passedMs += periodMs) await world.next()
  const [fact] = await endingFacts(world, id)
  expect(fact?.data.why).toContain('destroy on here: as the test wished')
  world.cloud.rates.destroy = 0
  for (let passedMs = 0; passedMs < 2 * minuteMs; passedMs += periodMs) await world.next()
  expect(await stuckIn(world)).toEqual([])
  expect((await world.store.vm(id))?.vm.phase.state).toBe('Failed')
})

it('is not one that only takes its time, nor one that no record knows and that goes', async () => {
  const world = openWorld({ clouds: [{ destroyMs: 8 * minuteMs }] })
  const id = await stopping(world)
  for (let passedMs = 0; passedMs < 12 * minuteMs; passedMs += periodMs) await world.next()
  expect(await endingFacts(world, id)).toEqual([])
  expect((await world.store.vm(id))?.vm.phase.state).toBe('Failed')
})

it('is shown to operators, and to the VO that it serves', async () => {
  const world = openWorld({ clouds: [{ destroyMs: Infinity }] })
  const id = await stopping(world)
  for (let passedMs = 0; passedMs < 12 * minuteMs; passedMs += periodMs) await world.next()
  const status = await cloudStatus(world.store, configured, world.clock.nowMs())
  expect(status.clouds[0]?.stuck).toMatchObject([{ vmId: id, why: 'the cloud shows it as ending' }])
  const seenBy = (role: 'operator' | 'user', vo: string) =>
    cloudsFor(
      { owner: { ...alice, vo }, reach: role === 'operator' ? 'any' : 'vo' },
      {
        ...status,
        clouds: status.clouds.map((cloud) => ({ ...cloud, stuck: cloud.stuck.map((one) => ({ ...one, vos: ['lhcb'] })) })),
      },
    ).clouds[0]?.stuck.length
  expect([seenBy('operator', 'atlas'), seenBy('user', 'lhcb'), seenBy('user', 'atlas')]).toEqual([1, 1, 0])
})
