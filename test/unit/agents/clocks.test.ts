/** Agents on a VM whose wall clock is hours off: they live their life, which the service has set by its own clock. */

import { mkdirSync } from 'node:fs'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readConfig } from '../../../agents/kit/config.ts'
import { writeWhole } from '../../../agents/kit/files.ts'
import { serviceClock } from '../../../agents/kit/service-clock.ts'
import { openUplink } from '../../../agents/kit/uplink.ts'
import { watchOver } from '../../../agents/monitor/agent.ts'
import { startAgent } from '../../../agents/pilot/agent.ts'
import { plainIsolation } from '../../../agents/pilot/isolation/plain-isolation.ts'
import { type Clock, sleep, systemClock } from '../../../core/kernel/clock.ts'
import { takeTurns } from '../../../core/kernel/endpoints.ts'
import { systemRandom } from '../../../core/kernel/random.ts'
import { credential, type FakeService, startFakeService } from './fake-service.ts'
import { soon, type TestVm, testVm } from './vm.ts'

const hour = 3600_000
const truth = systemClock()
const random = systemRandom()
const ahead = (ms: number): Clock => ({ ...truth, nowMs: () => truth.nowMs() + ms })
let service: FakeService
let vm: TestVm

beforeEach(async () => {
  service = await startFakeService()
})
afterEach(async () => {
  await vm.remove()
  await service.stop()
})

function newVm(endByMs: number): Pick<Parameters<typeof watchOver>[0], 'config' | 'paths'> {
  vm = testVm(service.port, { policy: { endByMs } })
  mkdirSync(vm.paths.work, { recursive: true })
  writeWhole(vm.paths.credential, credential)
  return { config: readConfig(vm.paths.config), paths: vm.paths }
}

function watch(endByMs: number, clock: Clock): Promise<string> {
  const { config, paths } = newVm(endByMs)
  const { endpoint } = config
  // Deadlines of calls are by the clock of this process.
  const open = () => openUplink({ clock: truth, endpoint, credential })
  return watchOver({ config, paths, clock, random, say: () => undefined, turns: takeTurns([endpoint], random), open })
}

it.each([2 * hour, -2 * hour])('a monitor whose clock is %i ms ahead ends at the end of its life', async (aheadMs) => {
  service.answer = ({ wish }) => (wish === 'stop' ? { order: 'stop', reason: 'agreed' } : {})
  const endByMs = truth.nowMs() + 1500
  expect(await watch(endByMs, ahead(aheadMs))).toBe('agreed')
  expect(service.heartbeats.at(-1)).toMatchObject({ wish: 'stop', wishReason: 'its life is over', unhealthy: 'clock-off' })
  expect(truth.nowMs()).toBeGreaterThanOrEqual(endByMs - 300)
  expect(service.heartbeats[0]).toMatchObject({ wish: '', unhealthy: '' })
})

it('a monitor that gets no answer ends nothing because of its own clock', async () => {
  await service.stop()
  const over = watch(truth.nowMs() + hour, ahead(2 * hour))
  expect(await Promise.race([over, sleep(truth, 1500)])).toBe('slept')
})

it.each([2 * hour, -2 * hour])('a pilot whose clock is %i ms ahead offers what is left of its life', async (aheadMs) => {
  const { config, paths } = newVm(truth.nowMs() + hour)
  const agent = await startAgent({
    config,
    paths,
    clock: ahead(aheadMs),
    random,
    measure: () => config.size,
    findTraits: () => ({}),
    cgroups: { kind: 'none', why: 'a test' },
    isolation: plainIsolation(),
    pid: process.pid,
    say: () => undefined,
    onFatal: (error) => void expect(error).toBe('no error'),
  })
  await soon(() => service.messages.some(({ offer }) => offer), 'an offer')
  const remainingMs = service.messages.find(({ offer }) => offer)?.offer?.remainingMs ?? 0
  expect(Math.abs(remainingMs - hour)).toBeLessThan(10_000)
  await agent.close('the test is over', 1000)
})

it('the clock of the service is not known before it has said it, and then goes on by the monotonic one', () => {
  let [wall, monotonic] = [5000, 100]
  const known = serviceClock({ nowMs: () => wall, monotonicMs: () => monotonic })
  expect(known.nowMs()).toBeUndefined()
  known.hear(90_000, 60)
  expect(known.nowMs()).toBe(90_020)
  wall = 9_999_999
  monotonic += 10
  expect(known.nowMs()).toBe(90_030)
  known.hear(0, 110)
  expect(known.nowMs()).toBe(9_999_999)
})
