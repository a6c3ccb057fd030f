/** How long a call that may be repeated is tried again: until patience is over, with one last try at that moment. */

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { newPauses, patiently } from '../../../client/calls.ts'
import { takeTurns } from '../../../core/kernel/endpoints.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { seededRandom } from '../../../core/kernel/random.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

function caller(seed: number, patienceMs: number) {
  const clock = virtualClock()
  const random = seededRandom(seed)
  return { clock, random, token: 't', turns: takeTurns(['127.0.0.1:1'], random), patienceMs }
}

const unreachable = (retryAfterMs = 0) => new PilotageError('unavailable', 'nothing is there', { retryAfterMs })

/** When each try was made, in milliseconds since the first. */
async function tries(seed: number, patienceMs: number): Promise<readonly number[]> {
  const own = caller(seed, patienceMs)
  const made: number[] = []
  const call = patiently(own, 'asking', async () => {
    made.push(own.clock.monotonicMs())
    throw unreachable()
  })
  const ended = expect(call).rejects.toMatchObject({ code: 'unavailable' })
  await own.clock.advance(2 * patienceMs + 1000)
  await ended
  return made
}

it('makes its last try when patience is over', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.constantFrom(0, 1, 150, 3000, 10_000, 60_000), async (seed, patienceMs) => {
      const made = await tries(seed, patienceMs)
      expect(made[0]).toBe(0)
      expect(made.at(-1)).toBe(patienceMs)
      expect(made).toEqual(made.toSorted((a, b) => a - b))
    }),
    { numRuns: 60 },
  )
})

it('does not wait for a service that asks for more time than is left', async () => {
  const own = caller(1, 3000)
  const pauses = newPauses(own, 'asking')
  await expect(pauses.after(unreachable(3001), '127.0.0.1:1')).rejects.toMatchObject({ retryAfterMs: 3001 })
  const waiting = pauses.after(unreachable(3000), '127.0.0.1:1')
  await own.clock.advance(3000)
  await waiting
})
