/**
 * What a job is granted where it fits, and what follows from that: its memory, and how long it may run.
 *
 * The matcher, the plan and the pilot use these functions and no others.
 */

import type { Requirements } from '../model/requirements.ts'
import type { Granted, Room } from '../model/resources.ts'

type MemoryWish = Pick<Requirements, 'memoryBytes' | 'memoryPerCoreBytes' | 'memoryLimitBytes' | 'memoryLimitPerCoreBytes'>
type WorkWish = Pick<Requirements, 'wallMs' | 'cpuWorkMs'>

/** As many cores and GPUs as it can use and the room has memory for. Good only where the job fits. */
export function grantedIn(
  room: Room,
  { cores, wholeNode, memoryBytes, memoryPerCoreBytes = 0, gpus }: Requirements,
): Granted {
  const granted = gpus ? { gpus: Math.min(gpus.max, room.gpus ?? 0) } : {}
  if (wholeNode) return { cores: room.cores, ...granted }
  const most = Math.min(cores.max, room.cores)
  if (memoryPerCoreBytes === 0) return { cores: most, ...granted }
  const enough = Math.floor((room.memoryBytes - memoryBytes) / memoryPerCoreBytes)
  return { cores: Math.max(cores.min, Math.min(most, enough)), ...granted }
}

/** The fewest cores that it is granted in this room. */
export function minCoresIn(room: Pick<Room, 'cores'>, { cores, wholeNode }: Requirements): number {
  return wholeNode ? Math.max(cores.min, room.cores) : cores.min
}

export function memoryWith(cores: number, { memoryBytes, memoryPerCoreBytes = 0 }: MemoryWish): number {
  return memoryBytes + cores * memoryPerCoreBytes
}

/** What a payload with these cores is ended at: its limit, or what it asked for where it gave none. */
export function memoryLimitWith(cores: number, wish: MemoryWish): number {
  const { memoryLimitBytes, memoryLimitPerCoreBytes } = wish
  if (memoryLimitBytes === undefined && memoryLimitPerCoreBytes === undefined) return memoryWith(cores, wish)
  return (memoryLimitBytes ?? 0) + cores * (memoryLimitPerCoreBytes ?? 0)
}

/** How long a payload with these cores may run: what its CPU work takes there, or its wall time where it gave none. */
export function wallLimitMs(cores: number, power: number | undefined, { wallMs, cpuWorkMs }: WorkWish): number {
  if (cpuWorkMs === undefined) return wallMs
  // Not known how fast the VM is: then no time is enough.
  return power === undefined ? Infinity : Math.ceil(cpuWorkMs / (power * cores))
}

/** Whether its CPU work is done within its wall time, where it gave both. */
export function isFastEnough(limitMs: number, { wallMs, cpuWorkMs }: WorkWish): boolean {
  return cpuWorkMs === undefined || wallMs === 0 || limitMs <= wallMs
}
