/** A thread that runs the seeds of VM lifetimes that it receives, one after the other. */

import { parentPort } from 'node:worker_threads'
import type { Answered } from '../threads.ts'
import { type LifetimesOptions, type LifetimesResult, runLifetimes } from './lifetimes.ts'

const port = parentPort
if (!port) throw new Error('assertion failed: the simulation worker runs in a thread of its own')

port.on('message', (options: LifetimesOptions) => {
  runLifetimes(options).then(
    (result) => port.postMessage({ result } satisfies Answered<LifetimesResult>),
    (error: unknown) => {
      const failure = error instanceof Error ? (error.stack ?? error.message) : String(error)
      port.postMessage({ failure } satisfies Answered<LifetimesResult>)
    },
  )
})
