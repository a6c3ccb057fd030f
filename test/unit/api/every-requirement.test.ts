/**
 * The requirement language in short, on real VMs of this machine: what is promised, what their pilots find, and what
 * payloads get of it.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { findTraits } from '../../../agents/pilot/traits.ts'
import { connectPilotage, type PilotageClient } from '../../../client/pilotage-client.ts'
import { systemClock, until } from '../../../core/kernel/clock.ts'
import { silentLog } from '../../../core/ports/log.ts'
import { type DeepPartial, JobSpec, type Requirements } from '../../../proto/gen/pilotage/v1/job.ts'
import { type Service, startService } from '../../../services/run/compose.ts'
import { commandOf, endAllUnder, leftUnder } from '../../support/processes.ts'
import { connectUser } from '../../support/service-process.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const clock = systemClock()
const mib = 1024 * 1024
const soon = { withinMs: 30_000, everyMs: 100 }
const here = findTraits({ sizeFrom: 'context' }, tmpdir(), clock, { traits: {} })

let dir: string
let service: Service
let admin: PilotageClient
let user: PilotageClient

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-every-'))
  const cloud = { kind: 'local', isolation: 'plain', limits: { maxVms: 1, maxCores: 4 } }
  const flavor = { name: 'four', cores: 4, gpus: 2, memory: '4GiB', disk: '4GiB' }
  const config = {
    director: { interval: '500ms', settle: '1s' },
    vm: { idleTimeout: '20s', heartbeatInterval: '500ms' },
    clouds: [
      { name: 'honest', ...cloud, flavors: [{ ...flavor, traits: { power: 2, glibc: here.glibc } }] },
      { name: 'other', ...cloud, flavors: [{ ...flavor, pricePerHour: 9, traits: { glibc: '99.1' } }] },
    ],
  }
  service = await startService({ dataDir: join(dir, 'data'), config, log: silentLog() })
  admin = connectPilotage({ server: service.server, token: service.adminToken, clock })
  user = await connectUser(admin, 'alpha', 'ada')
})

afterAll(async () => {
  user.close()
  admin.close()
  await service.stop()
  await endAllUnder(clock, dir)
  const left = await leftUnder(clock, dir, 5000)
  rmSync(dir, { recursive: true, force: true })
  expect(left.map(commandOf)).toEqual([])
})

async function submit(script: string, wanted: DeepPartial<Requirements>, count = 1) {
  const requirements = { memoryBytes: 64 * mib, diskBytes: mib, wallMs: 60_000, ...wanted }
  const job = JobSpec.fromPartial<DeepPartial<JobSpec>>({ executable: '/bin/sh', arguments: ['-c', script], requirements })
  return (await user.submit(Array.from({ length: count }, () => job))).jobIds
}

/** What each printed, with its state and the reason. */
async function ends(jobIds: readonly number[]): Promise<readonly string[]> {
  const last = new Map<number, string>()
  for await (const job of user.watch(jobIds)) last.set(job.jobId, `${job.state} ${job.reason}`.trim())
  const said: string[] = []
  for (const jobId of jobIds) {
    const chunks: Uint8Array[] = []
    for await (const chunk of user.output(jobId)) chunks.push(chunk)
    said.push(`${last.get(jobId)}: ${Buffer.concat(chunks).toString().trim()}`)
  }
  return said
}

describe('a payload', () => {
  it('gets the GPUs that it asks for, and no two the same', async () => {
    const both = await submit('echo $PILOTAGE_GPUS/$CUDA_VISIBLE_DEVICES', { gpus: { min: 2 } })
    expect(await ends(both)).toEqual(['Done: 0,1/0,1'])
    const apart = await submit('echo $PILOTAGE_GPUS; sleep 1', { gpus: { min: 1 } }, 2)
    expect([...(await ends(apart))].sort()).toEqual(['Done: 0', 'Done: 1'])
    expect(await ends(await submit('echo "[$PILOTAGE_GPUS]"', {}))).toEqual(['Done: []'])
  })

  it('gets a whole node, and memory for each of its cores', async () => {
    const whole = await submit('echo $PILOTAGE_CORES $PILOTAGE_MEMORY_BYTES', {
      ...{ wholeNode: true, memoryBytes: 0, memoryPerCoreBytes: 100 * mib },
    })
    expect(await ends(whole)).toEqual([`Done: 4 ${400 * mib}`])
    const limited = await submit('echo $PILOTAGE_MEMORY_BYTES', { memoryLimitBytes: 128 * mib })
    expect(await ends(limited)).toEqual([`Done: ${128 * mib}`])
  })

  it('runs as long as its CPU work takes on the VM, and no longer', async () => {
    const work = { cpuWorkMs: 4000, wallMs: 0, cores: { min: 1, max: 1 } }
    expect(await ends(await submit('echo done', work))).toEqual(['Done: done'])
    const [said] = await ends(await submit('echo begun; exec sleep 30', work))
    expect(said).toMatch(/^Failed .*ran longer than 2 s.*: begun$/)
  })

  it('goes where what it asks for was promised and found', async () => {
    const jobIds = await submit('echo found', { glibc: here.glibc, tagExpression: 'not slow' })
    expect(await ends(jobIds)).toEqual(['Done: found'])
  })
})

it('a promise that does not hold is seen, and no VM after the other is made for it', async () => {
  const [jobId = 0] = await submit('echo never', { glibc: '99' })
  const differs = async () => (await admin.vms()).filter(({ cloud }) => cloud === 'other').map((vm) => vm.differs)
  expect(await until(clock, async () => (await differs()).some((text) => text !== ''), soon)).toBe(true)
  expect(await differs()).toEqual([`glibc: promised 99.1, found ${here.glibc}`])
  const isSaid = async () => (await user.explain(jobId)).summary.includes(`offered ${here.glibc}`)
  expect(await until(clock, isSaid, soon)).toBe(true)
  const [vm] = (await admin.vms()).filter(({ cloud }) => cloud === 'other')
  const facts = await admin.vmHistory(vm?.vmId ?? '')
  expect(facts.map(({ kind }) => kind)).toContain('other than promised')
})
