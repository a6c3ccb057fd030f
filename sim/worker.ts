/** A thread that runs seeds, one after the other, as it is told. Seeds share nothing, so that any number of threads may. */

import { parentPort } from 'node:worker_threads'
import { runSeed, type SeedOptions, type SeedResult } from './run-seed.ts'
import type { Answered } from './threads.ts'

const port = parentPort
if (!port) throw new Error('assertion failed: the simulation worker runs in a thread of its own')

port.on('message', (options: SeedOptions) => {
  runSeed(options).then(
    (result) => port.postMessage({ result } satisfies Answered<SeedResult>),
    (error: unknown) => {
      const failure = error instanceof Error ? (error.stack ?? error.message) : String(error)
      port.postMessage({ failure } satisfies Answered<SeedResult>)
    },
  )
})
