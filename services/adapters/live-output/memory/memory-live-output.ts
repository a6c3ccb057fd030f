/** Live output in memory, for an installation of one process. Bounded by the number of outputs and by the size of each. */

import { liveOutputLimits, outputBytes } from '../../../../core/kernel/limits.ts'
import { type Interest, outputKey, sliceOf, tooManyReaders } from '../../../../core/model/live-output.ts'
import type { LiveOutput } from '../../../../core/ports/live-output.ts'

type Entry = { interest: Interest; readonly pieces: Uint8Array[]; bytes: number; isCaughtUp: boolean }

export function memoryLiveOutput(): LiveOutput {
  const entries = new Map<string, Entry>()

  function removeOld(nowMs: number): void {
    for (const [key, { interest }] of entries) if (interest.untilMs + liveOutputLimits.keepMs < nowMs) entries.delete(key)
  }

  return {
    async want(interest, nowMs) {
      removeOld(nowMs)
      const key = outputKey(interest)
      const known = entries.get(key)
      if (known) {
        const untilMs = Math.max(known.interest.untilMs, interest.untilMs)
        known.interest = { ...interest, untilMs }
        return
      }
      if (entries.size >= liveOutputLimits.inAll) throw tooManyReaders()
      entries.set(key, { interest, pieces: [], bytes: 0, isCaughtUp: false })
    },
    async wanted(nowMs) {
      removeOld(nowMs)
      return [...entries.values()].flatMap(({ interest }) => (interest.untilMs > nowMs ? interest : []))
    },
    async append(output, offset, data, isCaughtUp, nowMs) {
      const entry = entries.get(outputKey(output))
      if (!entry || entry.interest.untilMs <= nowMs) return { bytes: 0, isWanted: false }
      if (offset === entry.bytes) {
        const head = data.slice(0, outputBytes - entry.bytes)
        if (head.length > 0) entry.pieces.push(head)
        entry.bytes += head.length
        entry.isCaughtUp = isCaughtUp
      }
      return { bytes: entry.bytes, isWanted: true }
    },
    async read(output, offset) {
      const entry = entries.get(outputKey(output))
      if (!entry) return { data: new Uint8Array(), isCaughtUp: false }
      return { data: sliceOf(entry.pieces, offset), isCaughtUp: entry.isCaughtUp }
    },
  }
}
