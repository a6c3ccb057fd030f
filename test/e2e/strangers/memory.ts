/** What a process holds, by /proc: resident memory, its highest value over a while, and open files. */

import { readdirSync, readFileSync } from 'node:fs'
import { type Clock, sleep } from '../../../core/kernel/clock.ts'

export function residentMib(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  return Math.round(Number(line?.[1] ?? Number.NaN) / 1024)
}

export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** Looks every 100 ms until stopped. */
export function watchPeak(clock: Clock, pid: number): { stop(): number } {
  const over = new AbortController()
  let peakMib = residentMib(pid)
  const watching = async (): Promise<void> => {
    while ((await sleep(clock, 100, over.signal)) === 'slept') peakMib = Math.max(peakMib, residentMib(pid))
  }
  watching().catch(() => {})
  return {
    stop() {
      over.abort()
      return peakMib
    },
  }
}
