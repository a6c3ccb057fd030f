/** Targets with faults that `npm run fuzz` has to notice, one each; chosen by `--target`. For its own test. */

import { PilotageError } from '../../../core/kernel/errors.ts'
import { type FuzzTarget, property } from '../target.ts'

const kept: string[] = []

function planted(name: string, run: (input: string) => number): FuzzTarget {
  return { name, maxBytes: 200, seeds: ['a', 'b'], words: ['{'], make: (chance) => `c${chance.below(1000)}`, run }
}

export const targets: readonly FuzzTarget[] = [
  planted('sound', (input) => {
    if (input.includes('{')) throw new PilotageError('invalid-argument', 'no brackets')
    return 1
  }),
  planted('throwing', (input) => {
    if (input === 'c7') throw new TypeError('cannot read a property of undefined')
    return 1
  }),
  planted('internal', (input) => {
    if (input === 'c7') throw new PilotageError('internal', 'a mistake of ours')
    return 1
  }),
  planted('untrue', (input) => {
    property(input !== 'c7', 'no input is c7')
    return 1
  }),
  planted('slow', (input) => {
    if (input.startsWith('c')) {
      const before = process.threadCpuUsage()
      while (process.threadCpuUsage(before).user < 110_000);
    }
    return 1
  }),
  planted('endless', (input) => {
    for (let turns = 0; input.startsWith('c7'); turns += 1) if (turns < 0) return 0
    return 1
  }),
  planted('greedy', (input) => {
    for (let turns = 0; input === 'c7' && turns < 1000; turns += 1) kept.push(String(turns).repeat(1_000_000).slice(1))
    return 1
  }),
  planted('refusing', () => {
    throw new PilotageError('invalid-argument', 'never')
  }),
]
