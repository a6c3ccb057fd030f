/**
 * What this VM really has, narrowed by what was promised: an offer must not name what is not there.
 *
 * `context` takes the promise as it is (the local cloud, where many VMs share one machine); `machine` the smaller of both.
 */

import { readFileSync, statfsSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import type { AgentConfig } from '../../core/model/agent-config.ts'
import { bytesText } from '../../core/kernel/quantities.ts'
import { counted } from '../../core/kernel/text.ts'
import { lesser, type Resources } from '../../core/model/resources.ts'

export function sizeOf({ size, sizeFrom }: Pick<AgentConfig, 'size' | 'sizeFrom'>, real: Resources): Resources {
  if (sizeFrom === 'context') return size
  return lesser(size, real)
}

/** For the console. */
export function sizeText({ cores, memoryBytes, diskBytes, gpus = 0 }: Resources): string {
  const size = `${counted(cores, 'core')}, ${bytesText(memoryBytes)} memory, ${bytesText(diskBytes)} disk`
  return gpus === 0 ? size : `${size}, ${counted(gpus, 'GPU')}`
}

/** `cgroupDir`: our own cgroup, where there is one: its limits are the machine's as far as we are concerned. */
export function measure(workDir: string, cgroupDir?: string, gpus = 0): Resources {
  const disk = statfsSync(workDir)
  return {
    cores: Math.max(1, Math.min(availableParallelism(), coresOfCgroup(read(cgroupDir, 'cpu.max')))),
    memoryBytes: Math.min(totalmem(), bytesOfCgroup(read(cgroupDir, 'memory.max'))),
    diskBytes: disk.bavail * disk.bsize,
    ...(gpus > 0 ? { gpus } : {}),
  }
}

/** `cpu.max` is a quota and a period, or `max` and a period. */
export function coresOfCgroup(text: string): number {
  const [quota, period] = text.trim().split(' ').map(Number)
  return quota && period ? Math.floor(quota / period) : Infinity
}

export function bytesOfCgroup(text: string): number {
  const bytes = Number(text.trim() || Number.NaN)
  return Number.isFinite(bytes) ? bytes : Infinity
}

function read(dir: string | undefined, name: string): string {
  if (dir === undefined) return ''
  try {
    return readFileSync(`${dir}/${name}`, 'latin1')
  } catch {
    return ''
  }
}
