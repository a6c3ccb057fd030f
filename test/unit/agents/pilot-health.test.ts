/** A pilot in this process: what it says of its health, and what it delivers where its disk is full. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeWhole } from '../../../agents/kit/files.ts'
import { readConfig } from '../../../agents/kit/config.ts'
import { type PilotAgent, startAgent } from '../../../agents/pilot/agent.ts'
import type { Isolation } from '../../../agents/pilot/isolation/isolation.ts'
import { plainIsolation } from '../../../agents/pilot/isolation/plain-isolation.ts'
import { withoutPayload } from '../../../agents/pilot/pilot.ts'
import { systemClock } from '../../../core/kernel/clock.ts'
import { systemRandom } from '../../../core/kernel/random.ts'
import type { Resources } from '../../../core/model/resources.ts'
import { assignment, credential, type FakeService, startFakeService } from './fake-service.ts'
import { mib, shell, task } from './tasks.ts'
import { readText, soon, type TestVm, testVm } from './vm.ts'

let service: FakeService
let vm: TestVm
let agent: PilotAgent | undefined

beforeEach(async () => {
  service = await startFakeService()
  vm = testVm(service.port)
  writeWhole(vm.paths.credential, credential)
})
afterEach(async () => {
  await agent?.close('the test is over', 1000)
  await vm.remove()
  await service.stop()
})

async function start(isolation: Isolation, measure?: () => Resources): Promise<void> {
  const config = readConfig(vm.paths.config)
  const [clock, random] = [systemClock(), systemRandom()]
  const onFatal = (error: unknown): void => void expect(error).toBe('no error')
  const cgroups = { kind: 'none', why: 'a test' } as const
  const { paths } = vm
  const known = { config, paths, measure: measure ?? (() => config.size), cgroups, clock, random, pid: process.pid, onFatal }
  agent = await startAgent({ ...known, isolation, findTraits: () => ({}), say: () => undefined })
  await soon(() => lastOffer() !== undefined, 'an offer')
}

const lastOffer = () => service.messages.findLast(({ offer }) => offer)?.offer
const unhealthy = (): unknown => JSON.parse(readText(vm.paths.pilotStatus) || '{}').unhealthy

it('says that it is of no use after three payloads that it could not start, and offers nothing for a while', async () => {
  await start({ ...plainIsolation(), confine: () => undefined })
  expect([lastOffer()?.maxJobs, unhealthy()]).toEqual([256, undefined])
  for (const jobId of [1, 2, 3]) {
    service.send({ assignments: [assignment(task({ jobId }))] })
    await soon(() => service.reports('ended').length === jobId, 'an end')
    expect(service.reports('ended').at(-1)?.result?.end).toBe('not-started')
    await soon(() => lastOffer()?.maxJobs === 0, 'an offer of nothing')
  }
  await soon(() => unhealthy() === 'cannot-start-payloads', 'it says so')
})

it('says so as well where fewer accounts are left than it has cores', async () => {
  await start({ ...plainIsolation(), places: () => 3 })
  await soon(() => unhealthy() === 'accounts-retired', 'it says so')
})

it('measures what it has after the files of a former life are removed, and says it', async () => {
  const work = join(vm.paths.work, 'work')
  for (const name of ['7.1/home', '7.1/tmp', '8.1/home', '9.1/home']) mkdirSync(join(work, name), { recursive: true })
  const files = ['7.1/home/large', '7.1/stdout', '8.1/home/large', '9.1/home/large'].map((name) => join(work, name))
  for (const file of files) writeWhole(file, 'what a payload wrote')
  // 7.1 has ended, and its output is not delivered; 8.1 was abandoned; 9.1 was not even written down.
  const size = { cores: 1, memoryBytes: mib, diskBytes: mib }
  const result = { ...withoutPayload('abandoned', ''), end: 'exited' as const, stdoutBytes: 20 }
  const lines = [
    { kind: 'taken', jobId: 7, attempt: 1, size },
    { kind: 'ended', jobId: 7, attempt: 1, reportId: 3, result },
    { kind: 'taken', jobId: 8, attempt: 1, size },
  ]
  writeWhole(join(vm.paths.work, 'pilot.journal'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  const found = { cores: 2, memoryBytes: 5 * mib, diskBytes: 7 * mib }
  let seen: readonly boolean[] = []
  await start(plainIsolation(), () => {
    seen = files.map((file) => existsSync(file))
    return found
  })
  expect(seen).toEqual([false, true, false, false])
  expect(JSON.parse(readText(vm.paths.pilotStatus)).size).toEqual(found)
  await soon(() => service.reports('ended').length === 2, 'both ends')
  expect(service.outputs.get('7.1 stdout')).toBe('what a payload wrote')
  await soon(() => lastOffer()?.cores === 2, 'all of it is offered')
  expect(lastOffer()).toMatchObject(found)
})

const place = (): string => join(vm.paths.work, 'work')
const mounted = (): boolean => spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'pilotage', place()]).status === 0

describe.skipIf(process.getuid?.() !== 0)('where the disk is full (not run unless as root)', () => {
  it('delivers the output all the same', async (test) => {
    mkdirSync(place(), { recursive: true })
    if (!mounted()) return test.skip('no file system can be mounted here')
    try {
      await start(plainIsolation())
      const script = 'cat /dev/zero > full 2>/dev/null; seq 20000'
      service.send({ assignments: [assignment(shell(script, { diskBytes: 64 * mib }))] })
      await soon(() => service.reports('ended').length === 1, 'an end')
      expect(service.reports('ended')[0]?.result?.detail).toMatch(/kept in memory$/)
      expect(service.outputs.get('1.1 stdout')).toBe(`${Array.from({ length: 20_000 }, (_, at) => at + 1).join('\n')}\n`)
    } finally {
      spawnSync('umount', ['-l', place()])
    }
  })
})
