/**
 * Two short measurements of a VM: how fast a core is, and what its scratch disk takes.
 *
 * Each is bounded in time and rough: it takes its turn with whatever else the VM does at that moment, so a promise counts as
 * kept from three quarters of it on (core/model/traits.ts). The power is in the scale of DB12, by one factor that was found
 * by comparing this loop with DB12 on one machine (docs/jobs.md says how); it is no DB12 and no HS23, and accounts nothing.
 */

import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../core/kernel/clock.ts'

/** Rounds of the loop in a second of CPU, of a core whose power is 1. */
export const roundsPerPower = 900_000
const powerMs = 500
const chunkRounds = 20_000

/** Of one core, by the CPU time that this process used: what others do on the core is not counted. */
export function power(clock: Clock): number | undefined {
  const began = process.cpuUsage()
  const endMs = clock.monotonicMs() + powerMs
  let [rounds, sum] = [0, 0]
  while (clock.monotonicMs() < endMs) {
    sum += work(chunkRounds, rounds)
    rounds += chunkRounds
  }
  const { user, system } = process.cpuUsage(began)
  const seconds = (user + system) / 1_000_000
  if (seconds <= 0 || !Number.isFinite(sum)) return undefined
  return Math.round((rounds / seconds / roundsPerPower) * 10) / 10
}

/** Normal deviates and their moments, in floating point, as jobs of physics do it; the numbers are the same each time. */
function work(rounds: number, from: number): number {
  let state = (from * 2_654_435_761 + 1) >>> 0
  let [sum, squares] = [0, 0]
  for (let round = 0; round < rounds; round += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const first = (state + 1) / 4_294_967_297
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    const deviate = Math.sqrt(-2 * Math.log(first)) * Math.cos((2 * Math.PI * state) / 4_294_967_296)
    sum += 10 + deviate
    squares += (10 + deviate) ** 2
  }
  return sum + squares
}

const pieceBytes = 4 * 1024 * 1024
const maxBytes = 64 * 1024 * 1024
const diskMs = 1000

/** Bytes per second of a file that is written piece by piece, each on the disk before the next; undefined: it cannot be. */
export function diskRate(dir: string, clock: Clock): number | undefined {
  const file = join(dir, '.rate')
  const piece = Buffer.alloc(pieceBytes, 'pilotage')
  try {
    const descriptor = openSync(file, 'w', 0o600)
    try {
      const beganMs = clock.monotonicMs()
      let written = 0
      while (written < maxBytes && clock.monotonicMs() - beganMs < diskMs) {
        written += writeSync(descriptor, piece)
        fsyncSync(descriptor)
      }
      return Math.round((written * 1000) / Math.max(1, clock.monotonicMs() - beganMs))
    } finally {
      closeSync(descriptor)
      rmSync(file, { force: true })
    }
  } catch {
    return undefined
  }
}
