/** A thread that runs the seeds it receives, one after the other. Seeds share nothing: any number of threads may run. */

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
