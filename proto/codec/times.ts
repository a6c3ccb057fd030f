/**
 * Times on the wire: google.protobuf.Timestamp and Duration, and milliseconds since 1970 and milliseconds here.
 *
 * A time that has not come is absent on the wire and 0 here; a duration that is absent is 0.
 */

import type { Duration } from '../gen/google/protobuf/duration.ts'

/** The last moment that a Timestamp can carry: pilots report times of their own, and a later one would make no message. */
const maxMs = Date.UTC(9999, 11, 31, 23, 59, 59)

export function timeOf(ms: number | undefined): Date | undefined {
  return ms === undefined || ms === 0 ? undefined : new Date(Math.min(ms, maxMs))
}

export function timeMs(time: Date | undefined): number {
  return time === undefined ? 0 : time.getTime()
}

export function durationOf(ms: number): Duration {
  const seconds = Math.trunc(ms / 1000)
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1_000_000) }
}

export function durationMs(duration: Duration | undefined): number {
  return duration === undefined ? 0 : duration.seconds * 1000 + duration.nanos / 1_000_000
}
