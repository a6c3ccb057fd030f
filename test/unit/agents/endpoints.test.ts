/** Agents with several endpoints: as real processes against services that come and go. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { bundleAgents } from '../../../agents/bundle.ts'
import { writeWhole } from '../../../agents/kit/files.ts'
import { freePorts } from '../../support/free-ports.ts'
import { credential, type FakeService, startFakeService } from './fake-service.ts'
import { readText, soon, type TestVm, testVm } from './vm.ts'

let outDir: string
let bundles: Awaited<ReturnType<typeof bundleAgents>>
let services: FakeService[]
const vms: TestVm[] = []

beforeAll(async () => {
  outDir = mkdtempSync(join(tmpdir(), 'pilotage-bundles-'))
  bundles = await bundleAgents(outDir)
})
afterAll(() => rmSync(outDir, { recursive: true, force: true }))
beforeEach(() => {
  services = []
})
afterEach(async () => {
  for (const vm of vms.splice(0)) await vm.remove()
  for (const service of services) await service.stop()
})

async function newServices(count: number): Promise<readonly FakeService[]> {
  for (let at = 0; at < count; at += 1) services.push(await startFakeService())
  return services
}

function newVm(ports: readonly number[], change: Parameters<typeof testVm>[1] = {}): TestVm {
  const vm = testVm(0, { ...change, endpoint: ports.map((port) => `127.0.0.1:${port}`).join() })
  vms.push(vm)
  return vm
}

function newPilotVm(ports: readonly number[]): TestVm {
  const vm = newVm(ports)
  writeWhole(vm.paths.credential, credential)
  return vm
}

const offers = ({ messages }: FakeService): number => messages.filter(({ offer }) => offer).length
const hasOffer = (service: FakeService): boolean => offers(service) > 0

it('a pilot finds the one that lives among dead ones, wherever it begins', async () => {
  const dead = await freePorts(2)
  const [alive] = await newServices(1)
  if (!alive) throw new Error('there is a service')
  const ports = [dead[0] ?? 0, alive.port, dead[1] ?? 0]
  const pilots = Array.from({ length: 3 }, () => newPilotVm(ports).run(bundles.pilot.path))
  await soon(() => offers(alive) === 3, 'three offers')
  for (const pilot of pilots) expect(pilot.console()).toContain('in contact')
})

it('a pilot whose service dies comes back on another within seconds, and again when that one dies', async () => {
  const [one, two] = await newServices(2)
  if (!one || !two) throw new Error('there are two services')
  newPilotVm([one.port, two.port]).run(bundles.pilot.path)
  await soon(() => hasOffer(one) || hasOffer(two), 'an offer')
  const [first, second] = hasOffer(one) ? [one, two] : [two, one]
  await first.stop()
  await soon(() => hasOffer(second), 'an offer on the other', 5000)
  expect(offers(first)).toBe(1)
  const again = await startFakeService(first.port)
  services.push(again)
  await second.stop()
  await soon(() => hasOffer(again), 'an offer on the first again', 5000)
})

it('a monitor activates at the one that lives, and sends heartbeats to the other when its service dies', async () => {
  const [dead = 0] = await freePorts(1)
  const [one, two] = await newServices(2)
  if (!one || !two) throw new Error('there are two services')
  for (const service of services) service.answer = () => ({ beatEveryMs: 300 })
  const vm = newVm([dead, one.port, two.port])
  vm.run(bundles.monitor.path)
  await soon(() => readText(vm.paths.credential) === credential, 'the credential')
  await soon(() => one.heartbeats.length + two.heartbeats.length > 0, 'a heartbeat')
  const [first, second] = one.heartbeats.length > 0 ? [one, two] : [two, one]
  await first.stop()
  await soon(() => second.heartbeats.length > 1, 'heartbeats to the other', 5000)
  expect(one.nonces.length + two.nonces.length).toBe(1)
})
