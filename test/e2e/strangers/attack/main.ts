/**
 * The process of a flood: `node attack/main.ts NAME MS SEED`, with the target and what was prepared as JSON on stdin. Prints
 * its figures as one line of JSON. Ends by itself after MS, and a few seconds later whatever the flood still waits for.
 */

import { text } from 'node:stream/consumers'
import { systemClock } from '../../../../core/kernel/clock.ts'
import { seededRandom } from '../../../../core/kernel/random.ts'
import type { Target } from '../flood.ts'
import { floods } from '../floods.ts'

const leaveMs = 5000

const [name, ms, seed] = process.argv.slice(2)
const flood = floods.find((one) => one.name === name)
if (!flood) throw new Error(`no flood ${name}`)
const { target, given } = JSON.parse(await text(process.stdin)) as { readonly target: Target; readonly given: unknown }
const clock = systemClock()
const over = new AbortController()
clock.after(Number(ms), () => over.abort())
clock.after(Number(ms) + leaveMs, () => process.exit(0))
// A service that refuses, resets and hangs up is what a flood is for.
process.on('uncaughtException', (error) => console.error(String(error)))
const figures = await flood.run({ ...target, clock, random: seededRandom(Number(seed)), signal: over.signal }, given)
console.log(JSON.stringify(figures))
process.exit(0)
