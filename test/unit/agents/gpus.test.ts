/** GPUs of a VM: found by tool or by bus, and given to payloads by index, none to two of them. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { payloadEnvironment } from '../../../agents/pilot/environment.ts'
import { gpusInTable, gpusOnBus } from '../../../agents/pilot/find-gpus.ts'
import type { Task } from '../../../agents/pilot/held.ts'
import { openGpus } from '../../../agents/pilot/gpus.ts'
import { limitsOf } from '../../../agents/pilot/limits.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import { jobLimits } from '../../../core/kernel/limits.ts'
import { sampleRequirements, sampleSpec } from '../../../sim/samples.ts'
import { task as plainTask } from './tasks.ts'

const task = (changes: Partial<Task>): Task => ({ ...plainTask(), ...changes })

const mib = 1024 * 1024

describe('a table of nvidia-smi', () => {
  it.each([
    ['one', '40960, 8.0, 535.104.05\n', 1, { gpuMemoryBytes: 40_960 * mib, gpuCapability: 80, gpuDriver: '535.104.5' }],
    [
      'two that differ',
      '81920, 9.0, 550.54\n40960, 8.0, 550.54\n',
      2,
      { gpuMemoryBytes: 40_960 * mib, gpuCapability: 80, gpuDriver: '550.54' },
    ],
    ['one that says little', '[N/A], [N/A], 470.1\n', 1, { gpuDriver: '470.1' }],
    ['one of two that says all', '16384, 7.5, 470.1\n[N/A], [N/A], 470.1\n', 2, { gpuDriver: '470.1' }],
  ])('with %s', (_, text, count, traits) => {
    expect(gpusInTable(text)).toEqual({ count, traits: { gpuVendor: 'nvidia', ...traits } })
  })

  it.each(['', '\n', 'No devices were found\n', 'NVIDIA-SMI has failed because, it said so\n'])(
    'without any: %j',
    (text) => {
      expect(gpusInTable(text)).toEqual({ count: 0, traits: {} })
    },
  )
})

describe('a bus', () => {
  let bus = ''
  beforeEach(() => {
    bus = mkdtempSync(join(tmpdir(), 'pilotage-pci-'))
  })
  afterEach(() => rmSync(bus, { recursive: true }))
  const put = (name: string, vendor: string, kind: string): void => {
    mkdirSync(join(bus, name))
    writeFileSync(join(bus, name, 'vendor'), `${vendor}\n`)
    writeFileSync(join(bus, name, 'class'), `${kind}\n`)
  }

  it('has the GPUs of the vendors that make them, and no screens of hypervisors', () => {
    put('0000:00:01.0', '0x1af4', '0x030000')
    put('0000:00:02.0', '0x10de', '0x020000')
    expect(gpusOnBus(bus)).toEqual({ count: 0, traits: {} })
    put('0000:00:03.0', '0x10de', '0x030200')
    put('0000:00:04.0', '0x10de', '0x030000')
    expect(gpusOnBus(bus)).toEqual({ count: 2, traits: { gpuVendor: 'nvidia' } })
    put('0000:00:05.0', '0x1002', '0x038000')
    expect(gpusOnBus(bus)).toEqual({ count: 3, traits: {} })
    expect(gpusOnBus(join(bus, 'nowhere'))).toEqual({ count: 0, traits: {} })
  })
})

it('no two payloads have the same one, and what is free is given again', () => {
  const steps = fc.array(fc.record({ key: fc.nat(9), count: fc.integer({ min: 0, max: 3 }), isEnd: fc.boolean() }))
  fc.assert(
    fc.property(steps, (all) => {
      const gpus = openGpus(4)
      const held = new Map<number, readonly number[]>()
      for (const { key, count, isEnd } of all) {
        const used = [...held.values()].flat().length
        if (isEnd) {
          gpus.free(String(key))
          held.delete(key)
        } else if (!held.has(key) && used + count <= 4) {
          const taken = gpus.take(String(key), count)
          expect(taken).toHaveLength(count)
          held.set(key, taken)
        }
        const now = [...held.values()].flat()
        expect(new Set(now).size).toBe(now.length)
      }
    }),
  )
})

describe('the variables of a payload say', () => {
  const vmId = 'vm-aaaaaaaaaa' as VmId
  const own = task({ spec: sampleSpec({ environment: { CUDA_VISIBLE_DEVICES: '7', A: 'b' } }) })

  it('which GPUs are its own, whatever its job says', () => {
    expect(payloadEnvironment(own, '/d', vmId, [1, 3])).toMatchObject({
      ...{ PILOTAGE_GPUS: '1,3', CUDA_VISIBLE_DEVICES: '1,3', ROCR_VISIBLE_DEVICES: '1,3', A: 'b' },
    })
    expect(payloadEnvironment(own, '/d', vmId, [])).toMatchObject({ PILOTAGE_GPUS: '', CUDA_VISIBLE_DEVICES: '' })
  })

  it('nothing of GPUs where the VM has none', () => {
    const environment = payloadEnvironment(own, '/d', vmId)
    expect(environment).not.toHaveProperty('PILOTAGE_GPUS')
    expect(environment.CUDA_VISIBLE_DEVICES).toBe('7')
  })
})

describe('a payload is ended at', () => {
  const limits = (changes: Parameters<typeof sampleRequirements>[0], granted: { cores?: number; wallMs?: number } = {}) =>
    limitsOf(task({ spec: sampleSpec({ requirements: sampleRequirements(changes) }), cores: 1, ...granted }))

  it.each([
    ['what it asks for', { memoryBytes: 100 * mib }, 4, 100 * mib],
    ['what it asks for with its cores', { memoryBytes: 100 * mib, memoryPerCoreBytes: 10 * mib }, 4, 140 * mib],
    ['its limit', { memoryBytes: 100 * mib, memoryLimitBytes: 200 * mib }, 4, 200 * mib],
    ['its limit per core', { memoryBytes: 0, memoryPerCoreBytes: mib, memoryLimitPerCoreBytes: 2 * mib }, 4, 8 * mib],
    ['both', { memoryLimitBytes: 100 * mib, memoryLimitPerCoreBytes: 2 * mib }, 4, 108 * mib],
  ])('%s of memory', (_, changes, cores, bytes) => {
    expect(limits(changes, { cores }).memoryBytes).toBe(bytes)
    expect(
      payloadEnvironment(
        task({ spec: sampleSpec({ requirements: sampleRequirements(changes) }), cores }),
        '/d',
        'vm' as VmId,
      ),
    ).toMatchObject({
      PILOTAGE_MEMORY_BYTES: String(bytes),
    })
  })

  it('the time that the service says, else its wall time, and always some', () => {
    expect(limits({ wallMs: 5000 }).wallMs).toBe(5000)
    expect(limits({ wallMs: 0, cpuWorkMs: 9000 }, { wallMs: 3000 }).wallMs).toBe(3000)
    expect(limits({ wallMs: 0, cpuWorkMs: 9000 }).wallMs).toBe(jobLimits.wallMs)
  })
})
