/**
 * What the pilot finds of its VM beside its size: the system, the processor, glibc, container runtimes, and two short
 * measurements. The service lets it narrow what the offering promises, and nothing else.
 *
 * What cannot be read was not found. Nothing here ends the pilot.
 */

import { accessSync, constants, readFileSync } from 'node:fs'
import { arch } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../core/kernel/clock.ts'
import { isName } from '../../core/kernel/text.ts'
import { isVersion, plainVersion } from '../../core/kernel/versions.ts'
import { type Architecture, type ContainerRuntime, containerRuntimes, type FoundTraits } from '../../core/model/traits.ts'
import type { AgentConfig } from '../../core/model/agent-config.ts'
import { diskRate, power } from './benchmark.ts'
import type { FoundGpus } from './find-gpus.ts'

type Machine = {
  /** Of a file; empty where there is none. */
  readonly text: (path: string) => string
  readonly searchPath: readonly string[]
  readonly isProgram: (path: string) => boolean
  readonly architecture: string
  readonly glibc: string
}

/** Where a payload finds programs. */
const searchPath = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']

/** Measures for two seconds at most. On a machine that VMs share it takes the promise as it is, and measures nothing. */
export function findTraits(
  { sizeFrom, traits = {} }: Pick<AgentConfig, 'sizeFrom' | 'traits'>,
  workDir: string,
  clock: Clock,
  gpus: Pick<FoundGpus, 'traits'>,
): FoundTraits {
  const isOwn = sizeFrom === 'machine'
  return given({
    ...readTraits(thisMachine()),
    ...gpus.traits,
    power: isOwn ? power(clock) : traits.power,
    diskRate: isOwn ? diskRate(workDir, clock) : traits.diskRate,
  })
}

export function readTraits({ text, isProgram, ...machine }: Machine): FoundTraits {
  const { os, osVersion } = systemIn(text('/etc/os-release'))
  const architecture = architectureOf(machine.architecture)
  const containers = containerRuntimes.filter((name) => machine.searchPath.some((dir) => isProgram(join(dir, name))))
  return given({
    os,
    osVersion,
    architecture,
    level: architecture === 'x86-64' ? levelOf(text('/proc/cpuinfo')) : undefined,
    glibc: versionIn(machine.glibc),
    containers: containers.length > 0 ? (containers as readonly ContainerRuntime[]) : undefined,
  })
}

function thisMachine(): Machine {
  return {
    text(path) {
      try {
        return readFileSync(path, 'utf8')
      } catch {
        return ''
      }
    },
    searchPath,
    isProgram(path) {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    },
    architecture: arch(),
    glibc: glibcOfNode(),
  }
}

/** Node itself runs on the system's C library: an empty text where that is not glibc. */
function glibcOfNode(): string {
  const report = process.report.getReport() as { readonly header?: { readonly glibcVersionRuntime?: unknown } }
  return String(report.header?.glibcVersionRuntime ?? '')
}

/** `ID` and `VERSION_ID`, in quotes or without. */
export function systemIn(release: string): { readonly os?: string; readonly osVersion?: string } {
  const value = (key: string): string => {
    const [, quoted = ''] = new RegExp(`^${key}=(.*)$`, 'm').exec(release) ?? []
    return quoted.trim().replace(/^(["'])(.*)\1$/, '$2')
  }
  const os = value('ID')
  return { os: isName(os) ? os : undefined, osVersion: versionIn(value('VERSION_ID')) }
}

export function architectureOf(node: string): Architecture | undefined {
  return node === 'x64' ? 'x86-64' : node === 'arm64' ? 'aarch64' : undefined
}

/** Flags of /proc/cpuinfo that each level adds (x86-64 psABI). abm: lzcnt and popcnt, as older kernels name them. */
const levelFlags: readonly (readonly (readonly string[])[])[] = [
  [['cmov'], ['cx8'], ['fpu'], ['fxsr'], ['mmx'], ['syscall'], ['sse2']],
  [['cx16'], ['lahf_lm'], ['popcnt'], ['pni', 'sse3'], ['ssse3'], ['sse4_1'], ['sse4_2']],
  [['avx'], ['avx2'], ['bmi1'], ['bmi2'], ['f16c'], ['fma'], ['abm', 'lzcnt'], ['movbe'], ['xsave']],
  [['avx512f'], ['avx512bw'], ['avx512cd'], ['avx512dq'], ['avx512vl']],
]

/** The highest level whose flags, and those of all levels below, are there on every core; undefined: not even the first. */
export function levelOf(cpuinfo: string): number | undefined {
  const cores = [...cpuinfo.matchAll(/^flags\s*:(.*)$/gm)].map(([, flags = '']) => new Set(flags.trim().split(/\s+/)))
  if (cores.length === 0) return undefined
  const isThere = (flags: readonly (readonly string[])[]): boolean =>
    cores.every((own) => flags.every((names) => names.some((name) => own.has(name))))
  const missing = levelFlags.findIndex((flags) => !isThere(flags))
  const level = missing < 0 ? levelFlags.length : missing
  return level === 0 ? undefined : level
}

function versionIn(text: string): string | undefined {
  return isVersion(text) ? plainVersion(text) : undefined
}

function given(found: FoundTraits): FoundTraits {
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined))
}

/** For the console. */
export function traitsLine(found: FoundTraits): string {
  return Object.entries(found)
    .map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(' ') : value}`)
    .join(', ')
}
