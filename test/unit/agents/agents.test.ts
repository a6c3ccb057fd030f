import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { bundleAgents } from '../../../agents/bundle.ts'
import { writeWhole } from '../../../agents/kit/files.ts'
import { readStat } from '../../../agents/pilot/processes.ts'
import { assignment, credential, type FakeService, startFakeService } from './fake-service.ts'
import { mib, shell } from './tasks.ts'
import { readText, soon, type TestVm, testVm } from './vm.ts'

let outDir: string
let bundles: Awaited<ReturnType<typeof bundleAgents>>
let service: FakeService
const vms: TestVm[] = []

beforeAll(async () => {
  outDir = mkdtempSync(join(tmpdir(), 'pilotage-bundles-'))
  bundles = await bundleAgents(outDir)
})
afterAll(() => rmSync(outDir, { recursive: true, force: true }))
beforeEach(async () => {
  service = await startFakeService()
})
afterEach(async () => {
  for (const vm of vms.splice(0)) await vm.remove()
  await service.stop()
})

function newVm(...args: Parameters<typeof testVm> extends [number, ...infer Rest] ? Rest : never): TestVm {
  const vm = testVm(service.port, ...args)
  vms.push(vm)
  return vm
}

/** Payloads are named by the numbers that the machine knows them by. */
const plain = { isolation: { choice: 'plain', binds: [], hidden: [] } } as const

function newPilotVm(...args: Parameters<typeof newVm>): TestVm {
  const vm = newVm(...args)
  writeWhole(vm.paths.credential, credential)
  return vm
}

/** By what stands in their environment. */
function processesWith(text: string): readonly string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && environmentOf(name).split('\0').includes(text))
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1')
  } catch {
    return ''
  }
}

const lastOffer = () => service.messages.findLast(({ offer }) => offer)?.offer
const isGone = (pid: number): boolean => readStat(pid)?.over ?? true
/** The pid that a payload wrote first. */
const pidIn = (vm: TestVm, key: string): number =>
  Number(readText(join(vm.paths.work, 'work', key, 'stdout')).split('\n')[0])

it('bundles are named after their content and made once', async () => {
  const { mtimeMs } = statSync(bundles.pilot.path)
  expect(await bundleAgents(outDir)).toEqual(bundles)
  expect(statSync(bundles.pilot.path).mtimeMs).toBe(mtimeMs)
  expect(readdirSync(outDir)).toHaveLength(2)
})

it('a pilot offers what it has, runs what it is given, keeps the output, reports and offers again', async () => {
  const vm = newPilotVm()
  const pilot = vm.run(bundles.pilot.path)
  await soon(() => lastOffer() !== undefined, 'an offer')
  expect(service.messages[0]?.hello).toMatchObject({ held: [] })
  expect(lastOffer()).toMatchObject({ cores: 4, memoryBytes: 1024 * mib, maxJobs: 256, received: 0 })
  expect(service.credentials).toEqual([`Bearer ${credential}`])

  const tasks = [shell('echo hello; env; exit 4'), shell('sleep 0.3', { jobId: 2, cores: 3 })]
  service.send({ assignments: tasks.map(assignment) })
  await soon(() => service.reports('ended').length === 2, 'two ends')
  await soon(() => lastOffer()?.received === 2 && lastOffer()?.cores === 4, 'all is free again')
  expect(
    service
      .reports('running')
      .map(({ jobId }) => jobId)
      .toSorted((a, b) => a - b),
  ).toEqual([1, 2])
  // On a busy machine the first may be started last.
  expect(service.reports('ended').toSorted((a, b) => a.jobId - b.jobId)).toMatchObject([
    { jobId: 1, attempt: 1, result: { end: 'exited', exitCode: 4 } },
    { jobId: 2, attempt: 1, result: { end: 'exited', exitCode: 0 } },
  ])
  const output = service.outputs.get('1.1 stdout') ?? ''
  expect(output).toMatch(/^hello\n/)
  expect(output).not.toContain('hush')
  expect(pilot.console()).not.toContain(credential)
  await soon(() => readdirSync(join(vm.paths.work, 'work')).length === 0, 'the directories are removed')
  await soon(() => JSON.parse(readText(vm.paths.pilotStatus) || '{}').state === 'idle', 'it is idle')
})

it('a pilot that lost the service finds it again and resends what was not acknowledged, under the same ids', async () => {
  newPilotVm().run(bundles.pilot.path)
  await soon(() => lastOffer() !== undefined, 'an offer')
  service.acking = false
  service.send({ assignments: [assignment(shell('echo once'))] })
  await soon(() => service.reports('ended').length === 1, 'an end')
  const before = service.reports('ended')[0]
  const { port } = service
  await service.stop()

  service = await startFakeService(port)
  await soon(() => service.reports('ended').length === 1, 'the end again', 3000)
  expect(service.reports('ended')[0]).toEqual(before)
  expect(service.messages[0]?.hello?.held).toEqual([{ jobId: 1, attempt: 1 }])
  // The same assignment again, as after a lost answer: it is not run a second time.
  service.send({ assignments: [assignment(shell('echo twice'))] })
  service.cut()
  await soon(() => service.messages.filter(({ hello }) => hello).length === 2, 'another stream')
  await soon(() => service.messages.at(-1)?.renew.length === 0, 'nothing is held any more')
  expect(service.reports('ended')).toHaveLength(1)
  expect(service.outputs.size).toBe(0)
})

it('a pilot stops a payload when the service orders it, and drains', async () => {
  const vm = newPilotVm(plain)
  vm.run(bundles.pilot.path)
  await soon(() => lastOffer() !== undefined, 'an offer')
  service.send({ assignments: [assignment(shell('echo $$; sleep 100 & wait'))] })
  await soon(() => pidIn(vm, '1.1') > 0, 'the payload runs')
  const pid = pidIn(vm, '1.1')
  service.send({ commands: [{ kind: 'stop', jobId: 1, attempt: 1, reason: 'killed by ada', output: '' }] })
  await soon(() => service.reports('ended').length === 1, 'its end', 2000)
  expect(service.reports('ended')[0]?.result).toMatchObject({ end: 'stopped', detail: 'killed by ada' })
  expect(isGone(pid)).toBe(true)
  service.send({ commands: [{ kind: 'drain', jobId: 0, attempt: 0, reason: '', output: '' }] })
  await soon(() => lastOffer()?.maxJobs === 0, 'it takes nothing more')
})

it('a pilot stops a payload whose lease is not renewed', async () => {
  await service.stop()
  service = await startFakeService(0, 1200)
  const vm = newPilotVm(plain)
  vm.run(bundles.pilot.path)
  await soon(() => lastOffer() !== undefined, 'an offer')
  service.send({ assignments: [assignment(shell('echo $$; sleep 100', { leaseMs: 1200 }))] })
  await soon(() => service.messages.filter(({ renew }) => renew.length > 0).length > 1, 'renewals')
  const pid = pidIn(vm, '1.1')
  expect(isGone(pid)).toBe(false)
  const { port } = service
  await service.stop()
  await soon(() => isGone(pid), 'the payload is stopped', 3000)
  service = await startFakeService(port)
  await soon(() => service.reports('ended').length === 1, 'its end')
  expect(service.reports('ended')[0]?.result).toMatchObject({ end: 'stopped', detail: 'lease ended without contact' })
})

it('a pilot that was killed ends in its next life what it left, and reports all that it owes', async () => {
  const vm = newPilotVm(plain)
  const first = vm.run(bundles.pilot.path)
  await soon(() => lastOffer() !== undefined, 'an offer')
  service.acking = false
  service.send({ assignments: [assignment(shell('echo done')), assignment(shell('echo $$; sleep 100', { jobId: 2 }))] })
  await soon(() => service.reports('ended').length === 1 && pidIn(vm, '2.1') > 0, 'one end, one running')
  const pid = pidIn(vm, '2.1')
  expect(await first.ended('SIGKILL')).toBe('SIGKILL')
  expect(isGone(pid)).toBe(false)
  const before = service.reports('ended')[0]
  service.messages.length = 0
  service.outputs.clear()
  service.acking = true

  vm.run(bundles.pilot.path)
  await soon(() => service.reports('ended').length === 2, 'both ends')
  expect(isGone(pid)).toBe(true)
  const [done, lost] = service.reports('ended').toSorted((a, b) => a.jobId - b.jobId)
  expect(done).toEqual(before)
  expect(service.outputs.get('1.1 stdout')).toBe('done\n')
  expect(lost).toMatchObject({ jobId: 2, result: { end: 'abandoned' } })
  await soon(() => lastOffer()?.cores === 4, 'all is free')
  await soon(() => readdirSync(join(vm.paths.work, 'work')).length === 0, 'the directories are removed')
})

it('a pilot that is killed takes its payloads with it where they are isolated by namespaces', async (test) => {
  const vm = newPilotVm()
  const first = vm.run(bundles.pilot.path)
  await soon(() => lastOffer() !== undefined, 'an offer')
  if (!first.console().includes('isolation of payloads: namespaces')) return test.skip('this machine has no namespaces')
  service.send({ assignments: [assignment(shell('touch ready; exec sleep 4711'))] })
  await soon(() => existsSync(join(vm.paths.work, 'work/1.1/home/ready')), 'the payload runs')
  const marked = () => processesWith(`PILOTAGE_DIR=${join(vm.paths.work, 'work/1.1')}`)
  expect(marked()).toHaveLength(1)
  await first.ended('SIGKILL')
  await soon(() => marked().length === 0, 'the payload ends')
})

it('a pilot that is ordered to end stops its payloads and waits for the acknowledgements', async () => {
  const vm = newPilotVm(plain)
  const pilot = vm.run(bundles.pilot.path)
  await soon(() => lastOffer() !== undefined, 'an offer')
  service.send({ assignments: [assignment(shell('echo $$; sleep 100'))] })
  await soon(() => pidIn(vm, '1.1') > 0, 'the payload runs')
  const pid = pidIn(vm, '1.1')
  expect(await pilot.ended('SIGTERM')).toBe(0)
  expect(isGone(pid)).toBe(true)
  expect(service.reports('ended')[0]?.result).toMatchObject({ end: 'stopped', detail: 'the VM is being stopped' })
})

it('a monitor activates, sends heartbeats, asks to stop when idle, and stops only when ordered', async () => {
  const vm = newVm({ policy: { idleMs: 300 } })
  service.answer = () => ({ beatEveryMs: 400 })
  const monitor = vm.run(bundles.monitor.path)
  await soon(() => service.heartbeats.length > 0, 'a heartbeat')
  expect(readText(vm.paths.credential)).toBe(credential)
  expect(statSync(vm.paths.credential).mode & 0o777).toBe(0o600)
  expect(service.credentials[0]).toBe(`Bearer ${credential}`)
  expect(service.heartbeats[0]).toMatchObject({ pilotState: 'starting', wish: '', unhealthy: '' })

  vm.run(bundles.pilot.path)
  const wishes = () => service.heartbeats.filter(({ wish }) => wish === 'stop')
  await soon(() => wishes().length > 1, 'it asks again when it was ordered to go on')
  await soon(() => wishes().at(-1)?.pilotState === 'idle', 'the pilot is up')
  const size = { cores: 4, memoryBytes: 1024 * mib, diskBytes: 1024 * mib }
  expect(wishes().at(-1)).toMatchObject({ payloads: 0, wishReason: expect.stringMatching(/^idle for/), size })
  service.answer = ({ wish }) => (wish === 'stop' ? { order: 'stop', reason: 'agreed' } : {})
  expect(await monitor.ended()).toBe(0)
  expect(monitor.console().trimEnd()).toMatch(/power-off: agreed$/)
  for (const secret of [credential, 'the-activation-key']) expect(monitor.console()).not.toContain(secret)
})

it('a monitor repeats its activation with the same nonce, in a next life too', async () => {
  const { port } = service
  await service.stop()
  const vm = newVm()
  const first = vm.run(bundles.monitor.path)
  await soon(() => readText(vm.paths.nonce) !== '', 'a nonce')
  await first.ended('SIGKILL')
  service = await startFakeService(port)
  vm.run(bundles.monitor.path)
  await soon(() => readText(vm.paths.credential) === credential, 'the credential')
  expect(service.nonces).toEqual([readText(vm.paths.nonce)])
  expect(statSync(vm.paths.nonce).mode & 0o777).toBe(0o600)
})

it('a monitor that gets no answer for too long stops the VM by itself, activated or not', async () => {
  const refused = newVm({ policy: { deadManMs: 3000 }, activationKey: 'of another VM' }).run(bundles.monitor.path)
  const silent = newVm({ policy: { deadManMs: 1500 } }).run(bundles.monitor.path)
  await soon(() => refused.console().includes('not activated: unauthenticated'), 'a refused activation')
  await soon(() => service.heartbeats.length > 0, 'a heartbeat')
  await service.stop()
  expect(await silent.ended()).toBe(0)
  expect(silent.console()).toMatch(/power-off: contact timeout: no answer from the service for 1.5 s\n$/)
  expect(await refused.ended()).toBe(0)
  expect(refused.console()).toMatch(/not activated: unauthenticated.*power-off: it was never activated\n$/s)
})
