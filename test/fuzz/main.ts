/**
 * `npm run fuzz [-- OPTION...]`: strange inputs for everything that reads what users send: documents, fields,
 * expressions and messages.
 *
 *   --inputs N        that many in all (100 000)
 *   --seed N          the same seed makes the same inputs (1)
 *   --target NAME     this target only
 *   --index N         with --target: this one input, printed whole
 *   --workers N       processes that run at once (2)
 *   --targets FILE    another list of targets
 *   --end-seconds N   an input that takes longer never ends (30)
 *
 * Inputs are made by the grammar of each target and by changes to known ones. A crash is anything thrown that is no
 * refusal, a broken property, an input that ends its process or does not end. Ends with one line, and with 1 where an
 * input crashed, one took more than 100 ms (per hundred jobs that it became), or a process used more than 512 MiB.
 */

import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { systemClock } from '../../core/kernel/clock.ts'
import { crashText, fuzz } from './fuzz.ts'
import { inputOf, tryInput } from './run-inputs.ts'
import type { FuzzTarget } from './target.ts'

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    target: { type: 'string' },
    index: { type: 'string' },
    workers: { type: 'string', default: '2' },
    'end-seconds': { type: 'string', default: '30' },
    targets: { type: 'string', default: join(import.meta.dirname, 'targets.ts') },
  },
})

function whole(name: string, text: string, min: number): number {
  const number = Number(text)
  if (Number.isSafeInteger(number) && number >= min) return number
  throw new Error(`--${name} ${text}: accepted: a whole number from ${min}`)
}

async function runOne(index: number, seed: number, module: string): Promise<boolean> {
  const { targets } = (await import(pathToFileURL(module).href)) as { targets: readonly FuzzTarget[] }
  const target = targets.find(({ name }) => name === values.target)
  if (!target) throw new Error(`--target: one of ${targets.map(({ name }) => name).join(', ')}`)
  const input = inputOf(target, seed, index)
  const clock = systemClock()
  const beginMs = clock.monotonicMs()
  const tried = tryInput(target, input)
  const tookMs = clock.monotonicMs() - beginMs
  if (typeof tried === 'object') console.log(crashText({ target: target.name, index, why: tried.why, input }, seed))
  else console.log(`${JSON.stringify(input)}\n${tried === 0 ? 'refused' : `accepted: ${tried}`}, ${tookMs.toFixed(1)} ms`)
  return typeof tried !== 'object'
}

const module = resolve(values.targets)
const seed = whole('seed', values.seed, 0)
const isOk =
  values.index === undefined
    ? await fuzz({
        inputs: whole('inputs', values.inputs, 1),
        seed,
        workers: whole('workers', values.workers, 1),
        module,
        target: values.target,
        endMs: whole('end-seconds', values['end-seconds'], 1) * 1000,
        clock: systemClock(),
        say: (line) => console.log(line),
      })
    : await runOne(whole('index', values.index, 0), seed, module)
process.exitCode = isOk ? 0 : 1
