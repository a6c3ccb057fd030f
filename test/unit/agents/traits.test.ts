/** What the pilot finds of its VM beside its size. */

import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { diskRate, power } from '../../../agents/pilot/benchmark.ts'
import { architectureOf, findTraits, levelOf, readTraits, systemIn } from '../../../agents/pilot/traits.ts'
import { systemClock } from '../../../core/kernel/clock.ts'

const clock = systemClock()
const noGpus = { traits: {} }
const v1 = 'fpu cx8 cmov mmx fxsr sse sse2 syscall nx lm'
const v2 = `${v1} pni ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm`
const v3 = `${v2} fma movbe xsave avx f16c abm bmi1 avx2 bmi2`
const v4 = `${v3} avx512f avx512dq avx512cd avx512bw avx512vl`
const cpuinfo = (...flags: readonly string[]): string =>
  flags.map((own, at) => `processor\t: ${at}\nmodel name\t: x\nflags\t\t: ${own}\nbogomips\t: 1\n`).join('\n')

describe('the level of a processor', () => {
  it.each<[string, string, number | undefined]>([
    ['the oldest', cpuinfo(v1), 1],
    ['one of 2009', cpuinfo(v2), 2],
    ['one of 2013', cpuinfo(v3), 3],
    ['one with AVX-512', cpuinfo(v4), 4],
    ['lzcnt by its newer name', cpuinfo(v3.replace('abm', 'lzcnt')), 3],
    ['a flag less', cpuinfo(v4.replace('bmi2', '')), 2],
    ['AVX-512 without what it stands on', cpuinfo(`${v1} avx512f avx512dq avx512cd avx512bw avx512vl`), 1],
    ['cores that differ', cpuinfo(v4, v2), 2],
    ['less than the least', cpuinfo('fpu'), undefined],
    ['no x86', 'processor\t: 0\nFeatures\t: fp asimd\n', undefined],
    ['nothing', '', undefined],
  ])('%s', (_, text, level) => {
    expect(levelOf(text)).toBe(level)
  })
})

describe('the system', () => {
  it.each<[string, string, string | undefined, string | undefined]>([
    ['in quotes', 'NAME="AlmaLinux"\nID="almalinux"\nVERSION_ID="9.4"\nID_LIKE="rhel centos"\n', 'almalinux', '9.4'],
    ['without', 'ID=debian\nVERSION_ID=12\n', 'debian', '12'],
    ['without a version', 'ID=arch\nBUILD_ID=rolling\n', 'arch', undefined],
    ['that is none', '', undefined, undefined],
    ['with what is no name', 'ID="a b"\nVERSION_ID="x"\n', undefined, undefined],
  ])('%s', (_, text, os, osVersion) => {
    expect(systemIn(text)).toEqual({ os, osVersion })
  })
})

it('knows two architectures', () => {
  expect(['x64', 'arm64', 'riscv64'].map(architectureOf)).toEqual(['x86-64', 'aarch64', undefined])
})

it('finds each by what the machine says, and nothing where it says nothing', () => {
  const files: Readonly<Record<string, string>> = {
    '/etc/os-release': 'ID=almalinux\nVERSION_ID="9.4"\n',
    '/proc/cpuinfo': cpuinfo(v3),
  }
  const programs = ['/usr/bin/podman', '/opt/bin/docker', '/usr/local/bin/apptainer']
  const machine = {
    text: (path: string) => files[path] ?? '',
    searchPath: ['/usr/local/bin', '/usr/bin'],
    isProgram: (path: string) => programs.includes(path),
    architecture: 'x64',
    glibc: '2.34',
  }
  const system = { os: 'almalinux', osVersion: '9.4' }
  const all = { ...system, architecture: 'x86-64', level: 3, glibc: '2.34', containers: ['apptainer', 'podman'] }
  expect(readTraits(machine)).toEqual(all)
  const silent = { ...machine, text: () => '', isProgram: () => false, architecture: 'mips', glibc: '' }
  expect(readTraits(silent)).toEqual({})
  expect(readTraits({ ...machine, architecture: 'arm64' })).not.toHaveProperty('level')
})

describe('measurements', () => {
  it('take less than two seconds together and leave nothing behind', () => {
    const dir = mkdtempSync(join(tmpdir(), 'pilotage-rate-'))
    try {
      const beganMs = clock.monotonicMs()
      const found = findTraits({ sizeFrom: 'machine' }, dir, clock, noGpus)
      expect(clock.monotonicMs() - beganMs).toBeLessThan(3000)
      expect(found.power).toBeGreaterThan(0)
      expect(found.diskRate).toBeGreaterThan(0)
      expect(readdirSync(dir)).toEqual([])
    } finally {
      rmSync(dir, { recursive: true })
    }
  })

  it('are not made on a shared machine: there the promise is taken as it is', () => {
    const promised = { power: 1.5, diskRate: 7 }
    expect(findTraits({ sizeFrom: 'context', traits: promised }, '/nowhere', clock, noGpus)).toMatchObject(promised)
    expect(findTraits({ sizeFrom: 'context' }, '/nowhere', clock, noGpus)).not.toHaveProperty('power')
  })

  it('of a disk that cannot be written give nothing', () => {
    expect(diskRate('/nowhere', clock)).toBeUndefined()
  })

  it('of a core lie in the scale of benchmarks', () => {
    const [least, most] = [0.5, 500]
    expect(power(clock)).toBeGreaterThan(least)
    expect(power(clock)).toBeLessThan(most)
  })
})
