/** How the VM is: the load, memory and disk that a heartbeat reports, and what the pilot wrote about itself. */

import { statfsSync } from 'node:fs'
import { freemem, loadavg, totalmem } from 'node:os'
import type { PilotStatus } from '../../core/model/agent-config.ts'
import { readIfThere } from '../kit/files.ts'
import type { PilotView } from './policy.ts'

export type MachineView = {
  readonly load1: number
  readonly memoryUsedBytes: number
  readonly memoryTotalBytes: number
  readonly diskFreeBytes: number
}

export function readMachine(workDir: string): MachineView {
  const disk = statfsSync(workDir)
  const memoryTotalBytes = totalmem()
  const memoryUsedBytes = memoryTotalBytes - freemem()
  return { load1: loadavg()[0] ?? 0, memoryUsedBytes, memoryTotalBytes, diskFreeBytes: disk.bavail * disk.bsize }
}

/** What a pilot wrote of itself, and when it says that it did. */
export type PilotReport = Omit<PilotView, 'silentMs'> & { readonly writtenMs: number }

/** Absent where the pilot has not written yet. A text that is not a status counts as that. */
export function readPilot(path: string): PilotReport | undefined {
  const text = readIfThere(path)
  if (text === undefined) return undefined
  let status: Partial<PilotStatus>
  try {
    status = JSON.parse(text)
  } catch {
    return undefined
  }
  const { pid, atMs, state, payloads, idleMs, isolation, unhealthy, size } = status
  if (pid === undefined || atMs === undefined || state === undefined || idleMs === undefined) return undefined
  return { state, payloads: payloads ?? 0, idleMs, writtenMs: atMs, alive: isAlive(pid), isolation, unhealthy, size }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
