/** A pilot's silence is counted by the monitor's own clock, and only while the monitor itself looks. */

import { expect, it } from 'vitest'
import { pilotAt, pilotSilence } from '../../../agents/monitor/pilot-silence.ts'

const everyMs = 250

/** The silence at each look: `looks` are the times of looking and what the pilot last wrote. */
function silences(looks: readonly (readonly [nowMs: number, writtenMs: number])[]): readonly number[] {
  const silence = pilotSilence()
  return looks.map(([nowMs, writtenMs]) => silence(writtenMs, nowMs))
}

it('begins anew with each status, whatever time the pilot writes into it', () => {
  expect(
    silences([
      [0, 5],
      [everyMs, 5],
      [2 * everyMs, 6],
      [3 * everyMs, 2],
      [4 * everyMs, 2],
    ]),
  ).toEqual([0, 250, 0, 0, 250])
})

it('grows while a pilot that hangs is watched', () => {
  const looks = Array.from({ length: 41 }, (_, at) => [at * everyMs, 1] as const)
  expect(silences(looks).at(-1)).toBe(10_000)
})

it('begins anew after a gap in which the monitor did not look itself', () => {
  expect(
    silences([
      [0, 1],
      [everyMs, 1],
      [20_000, 1],
      [20_000 + everyMs, 1],
    ]),
  ).toEqual([0, 250, 0, 250])
})

it('carries on how long a pilot was idle by the same clock, so that no wall clock that is set makes a VM look idle', () => {
  const silence = pilotSilence()
  const written = { idleMs: 1500, state: 'idle' }
  const idle = [0, everyMs, 2 * everyMs].map((nowMs) => pilotAt(written, silence(7, nowMs)))
  expect(idle.map(({ idleMs, silentMs }) => [idleMs, silentMs])).toEqual([
    [1500, 0],
    [1750, 250],
    [2000, 500],
  ])
  // An hour that the machine stood still counts for nothing.
  expect(pilotAt(written, silence(7, 3_600_000)).idleMs).toBe(1500)
})
