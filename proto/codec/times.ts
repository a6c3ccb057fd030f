/**
 * Times on the wire: google.protobuf.Timestamp and Duration, and milliseconds since 1970 and milliseconds here.
 *
 * A time that has not come is absent on the wire and 0 or undefined here; a duration that is absent is 0.
 */

import type { Duration } from '../gen/google/protobuf/duration.ts'

export function durationOf(ms: number): Duration {
  const seconds = Math.trunc(ms / 1000)
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1_000_000) }
}

export function durationMs(duration: Duration | undefined): number {
  return duration === undefined ? 0 : duration.seconds * 1000 + duration.nanos / 1_000_000
}
