/** The fuzz program notices every kind of fault that it looks for, names the input, and repeats it by its number. */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { chanceOf } from './chance.ts'
import { inputOf } from './run-inputs.ts'
import { targets } from './targets.ts'

const program = join(import.meta.dirname, 'main.ts')
const planted = join(import.meta.dirname, 'planted/targets.ts')

function fuzz(...words: readonly string[]): { readonly code: number | null; readonly out: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, '--targets', planted, ...words], {
    encoding: 'utf8',
    timeout: 100_000,
  })
  return { code: status, out: stdout + stderr }
}

describe('the fuzz program', { timeout: 100_000 }, () => {
  it('passes a target without a fault', () => {
    const { code, out } = fuzz('--target', 'sound', '--inputs', '3000')
    expect(out).toMatch(/^fuzz: inputs=3000 crashes=0 slowest_ms=\d+\.\d memory_mb=\d+ seconds=\d+ seed=1 result=ok$/m)
    expect(code).toBe(0)
  })

  it.each([
    ['throwing', 'TypeError: cannot read a property of undefined'],
    ['internal', 'a mistake of ours'],
    ['untrue', 'broken property: no input is c7'],
  ])('fails where a target is %s, and repeats the input', (target, why) => {
    const { code, out } = fuzz('--target', target, '--inputs', '6000', '--seed', '3')
    expect(out).toContain(why)
    expect(out).toContain('input: "c7"')
    expect(out).toMatch(/crashes=[1-9]\d* .* result=FAILED/)
    expect(code).toBe(1)
    const [, index = ''] = /--index (\d+)/.exec(out) ?? []
    const again = fuzz('--target', target, '--seed', '3', '--index', index)
    expect(again.out).toContain(why)
    expect(again.code).toBe(1)
  })

  it('fails where an input takes longer than 100 ms', () => {
    const { code, out } = fuzz('--target', 'slow', '--inputs', '3')
    expect(out).toMatch(/crashes=0 slowest_ms=[1-9]\d\d\.\d .* result=FAILED/)
    expect(code).toBe(1)
  })

  it('fails where an input ends its process by its memory, and tries the rest', () => {
    const { code, out } = fuzz('--target', 'greedy', '--inputs', '6000', '--seed', '3')
    expect(out).toContain('its process ended with')
    expect(out).toContain('input: "c7"')
    expect(out).toMatch(/^fuzz: inputs=6000 crashes=[1-9]/m)
    expect(code).toBe(1)
  })

  it('fails where an input never ends', () => {
    const { code, out } = fuzz(
      '--target',
      'endless',
      '--inputs',
      '40',
      '--seed',
      '3',
      '--workers',
      '1',
      '--end-seconds',
      '3',
    )
    expect(out).toContain('no end within 3000 ms')
    expect(out).toContain('input: "c7')
    expect(code).toBe(1)
  })

  it('fails where nothing is accepted', () => {
    const { code, out } = fuzz('--target', 'refusing', '--inputs', '100')
    expect(out).toContain('no input was accepted by: refusing')
    expect(code).toBe(1)
  })
})

describe('inputs', () => {
  it('are the same for the same seed, target and number, and others for others', () => {
    const [one, other] = targets
    if (!one || !other) throw new Error('there are targets')
    const inputs = (seed: number, target = one) => Array.from({ length: 50 }, (_, at) => inputOf(target, seed, at))
    expect(inputs(1)).toEqual(inputs(1))
    expect(inputs(1)).not.toEqual(inputs(2))
    expect(new Set(inputs(1)).size).toBeGreaterThan(40)
    expect(chanceOf(1, 'a', 1).below(1e9)).not.toBe(chanceOf(1, 'b', 1).below(1e9))
  })

  it('of every target are accepted and refused', () => {
    for (const target of targets) {
      const answers = Array.from({ length: 300 }, (_, at) => {
        try {
          return target.run(inputOf(target, 1, at)) > 0
        } catch {
          return false
        }
      })
      expect([target.name, answers.includes(true), answers.includes(false)]).toEqual([target.name, true, true])
    }
  })
})
