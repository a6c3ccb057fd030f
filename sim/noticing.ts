/**
 * Whether a rule that is off is noticed: by one of the first seeds, and by several of more. What one seed alone notices, a
 * small change may hide.
 */

import { invariants, type Violation } from './violations.ts'

const noticing = { first: 5, min: 3, seeds: 20 } as const

const enoughText = `one of the first ${noticing.first} seeds and by ${noticing.min} of ${noticing.seeds}`

export type Noticing = {
  /** The simulation's name, as its lines begin. */
  readonly sim: string
  readonly rule: string
  /** What a seed finds without the rule. */
  readonly run: (seed: number) => Promise<Violation | undefined>
  readonly say: (line: string) => void
}

/** Whether enough seeds notice; says by what, and which. */
export async function isNoticed({ sim, rule, run, say }: Noticing): Promise<boolean> {
  const by: number[] = []
  for (let seed = 1; seed <= noticing.seeds && by.length < noticing.min; seed += 1) {
    if (seed > noticing.first && by.length === 0) break
    const violation = await run(seed)
    if (!violation) continue
    by.push(seed)
    if (by.length > 1) continue
    say(`${sim}: without ${rule}: noticed by seed ${seed}: ${invariants[violation.invariant]}: ${violation.what}`)
  }
  const isEnough = by.length === noticing.min
  const few = isEnough ? '' : `NOT by ${enoughText}, `
  say(`${sim}: without ${rule}: noticed ${few}by seeds ${by.join(', ') || 'none'}`)
  return isEnough
}
