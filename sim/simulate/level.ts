/**
 * A number over time (jobs that wait, cores that are paid), kept as its mean in equal intervals. Bounded: when the intervals
 * run out, each two become one, so that a run of any length keeps between half of them and all.
 *
 * Exact: the sum over all intervals of mean times length is the integral of the number.
 */

export const maxIntervals = 1024
const firstIntervalMs = 60_000

export type Level = {
  now(): number
  add(delta: number, nowMs: number): void
  /** Means of intervals of this length, up to `endMs`. */
  means(intervalMs: number, endMs: number): readonly number[]
  /** In units times milliseconds. */
  integral(endMs: number): number
}

export function openLevel(): Level {
  const sums = new Float64Array(maxIntervals)
  let intervalMs = firstIntervalMs
  let value = 0
  let fromMs = 0

  function fold(): void {
    for (let at = 0; at < maxIntervals / 2; at += 1) sums[at] = (sums[2 * at] ?? 0) + (sums[2 * at + 1] ?? 0)
    sums.fill(0, maxIntervals / 2)
    intervalMs *= 2
  }

  function advance(nowMs: number): void {
    while (nowMs > intervalMs * maxIntervals) fold()
    while (fromMs < nowMs) {
      const at = Math.floor(fromMs / intervalMs)
      const untilMs = Math.min(nowMs, (at + 1) * intervalMs)
      sums[at] = (sums[at] ?? 0) + value * (untilMs - fromMs)
      fromMs = untilMs
    }
  }

  return {
    now: () => value,
    add(delta, nowMs) {
      advance(nowMs)
      value += delta
    },
    means(lengthMs, endMs) {
      advance(endMs)
      while (intervalMs < lengthMs) fold()
      const count = Math.ceil(endMs / intervalMs)
      return Array.from({ length: count }, (_, at) => {
        const partMs = Math.min(intervalMs, endMs - at * intervalMs)
        return (sums[at] ?? 0) / partMs
      })
    },
    integral(endMs) {
      advance(endMs)
      return sums.reduce((sum, one) => sum + one, 0)
    },
  }
}

/** The length of the intervals of a run that ends then: the same for all levels of it. */
export function intervalOf(endMs: number, max = maxIntervals): number {
  let intervalMs = firstIntervalMs
  while (endMs > intervalMs * max) intervalMs *= 2
  return intervalMs
}
