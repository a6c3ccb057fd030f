/**
 * How long a pilot has been silent: since its status changed last, by the monitor's own monotonic clock.
 *
 * A machine that stood still (paused, frozen, out of memory) stopped both agents. When the monitor has not looked for a
 * while itself, for whatever reason, the pilot gets all of its time again.
 */

/** The monitor looks four times per second, and waits for a second or two where a machine is starved. */
const gapMs = 3000

/**
 * Is given when the pilot says that it wrote its status, by any clock, and the monotonic time now; answers the silence so
 * far.
 */
export function pilotSilence(): (writtenMs: number, nowMs: number) => number {
  let lastWrittenMs: number | undefined
  let sinceMs = 0
  let lookedMs = -Infinity
  return (writtenMs, nowMs) => {
    if (writtenMs !== lastWrittenMs || nowMs - lookedMs > gapMs) sinceMs = nowMs
    lastWrittenMs = writtenMs
    lookedMs = nowMs
    return nowMs - sinceMs
  }
}

/** A pilot as it is now: what it counted when it wrote its status, carried on by the monitor's clock. */
export function pilotAt<Of extends { readonly idleMs: number }>(
  written: Of,
  silentMs: number,
): Of & { readonly silentMs: number } {
  return { ...written, idleMs: written.idleMs + silentMs, silentMs }
}
