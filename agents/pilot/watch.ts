/**
 * Looks at all running payloads at once: memory and CPU time every `everyMs`, and on demand when one has ended.
 *
 * One scan serves every payload of the pilot, however many wait for it: the cost of looking grows with the machine's
 * processes, not with payloads times processes. Also measures what the children that were waited for have used.
 */

import type { Clock, Timer } from '../../core/kernel/clock.ts'
import { msPerTick, processScanner, readStat, type ProcessStat, type Wanted } from './processes.ts'

export type Watch = {
  /** `onLook` is called after every scan, until `remove`. */
  add(wanted: Wanted, onLook: (processes: readonly ProcessStat[]) => void): void
  remove(wanted: Wanted): void
  /** What belongs to it now, by a scan that started after this call. */
  look(wanted: Wanted): Promise<readonly ProcessStat[]>
  /** Called once a payload whose process has ended: the CPU time of it and of all that it waited for. */
  spentMs(wallMs: number): Promise<number>
}

/** Memory grows by a gigabyte in this time where it grows fast; a scan of 200 processes costs about a millisecond. */
const everyMs = 200

export function startWatch(clock: Clock, self: number): Watch {
  const scanner = processScanner(self)
  const watched = new Map<Wanted, (processes: readonly ProcessStat[]) => void>()
  let timer: Timer | undefined
  let soon: Promise<ReadonlyMap<Wanted, readonly ProcessStat[]>> | undefined
  const ended: { wallMs: number; resolve: (ms: number) => void }[] = []
  let waitedTicks = childTicks()

  function scan(): ReadonlyMap<Wanted, readonly ProcessStat[]> {
    const found = scanner.scan([...watched.keys()])
    for (const [wanted, processes] of found) watched.get(wanted)?.(processes)
    return found
  }

  function again(): void {
    timer = undefined
    if (watched.size === 0) return
    timer = clock.after(everyMs, () => {
      scan()
      again()
    })
  }

  function lookSoon(): Promise<ReadonlyMap<Wanted, readonly ProcessStat[]>> {
    soon ??= new Promise((resolve) => {
      clock.after(0, () => {
        soon = undefined
        resolve(scan())
      })
    })
    return soon
  }

  /** The kernel adds up all children: several that ended in one moment share by how long they ran. */
  function share(): void {
    const now = childTicks()
    const spentMs = (now - waitedTicks) * msPerTick
    waitedTicks = now
    const wallMs = ended.reduce((total, one) => total + one.wallMs, 0)
    for (const one of ended.splice(0)) one.resolve(wallMs === 0 ? 0 : Math.round((spentMs * one.wallMs) / wallMs))
  }

  return {
    add(wanted, onLook) {
      watched.set(wanted, onLook)
      if (!timer) again()
    },
    remove(wanted) {
      watched.delete(wanted)
      if (watched.size > 0) return
      timer?.cancel()
      timer = undefined
    },
    async look(wanted) {
      return (await lookSoon()).get(wanted) ?? []
    },
    spentMs(wallMs) {
      return new Promise((resolve) => {
        ended.push({ wallMs, resolve })
        if (ended.length === 1) clock.after(0, share)
      })
    },
  }
}

function childTicks(): number {
  return readStat('self')?.waitedTicks ?? 0
}
