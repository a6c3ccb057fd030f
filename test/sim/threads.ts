/** Runs seeds on a few threads, in the order in which they are asked for. */

import { Worker } from 'node:worker_threads'
import type { SeedOptions, SeedResult } from './run-seed.ts'
import type { SeedAnswer } from './worker.ts'

export type Threads = {
  /** Rejects where the simulation itself failed: that is a bug of its own. */
  run(options: SeedOptions): Promise<SeedResult>
  close(): Promise<void>
}

type Asked = { readonly options: SeedOptions; readonly answer: PromiseWithResolvers<SeedResult> }

export function openThreads(count: number): Threads {
  const waiting: Asked[] = []
  const workers = Array.from({ length: count }, () => new Worker(new URL('./worker.ts', import.meta.url)))
  const idle = [...workers]

  function work(): void {
    while (idle.length > 0 && waiting.length > 0) {
      const worker = idle.pop()
      const asked = waiting.shift()
      if (worker && asked) start(worker, asked)
    }
  }

  function start(worker: Worker, { options, answer }: Asked): void {
    const onMessage = (said: SeedAnswer): void => {
      worker.off('error', onError)
      if ('result' in said) answer.resolve(said.result)
      else answer.reject(new Error(`seed ${options.seed}: ${said.failure}`))
      idle.push(worker)
      work()
    }
    // The thread is lost with what nobody caught in it.
    const onError = (error: unknown): void => {
      worker.off('message', onMessage)
      answer.reject(new Error(`seed ${options.seed} ended its thread`, { cause: error }))
    }
    worker.once('message', onMessage)
    worker.once('error', onError)
    worker.postMessage(options)
  }

  return {
    run(options) {
      const answer = Promise.withResolvers<SeedResult>()
      waiting.push({ options, answer })
      work()
      return answer.promise
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}
