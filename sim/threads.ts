/** Runs seeds on a few threads, in the order in which they are asked for. */

import { Worker } from 'node:worker_threads'

/** What a thread's program answers to the options that it was sent. */
export type Answered<Result> = { readonly result: Result } | { readonly failure: string }

export type Threads<Options, Result> = {
  /** Rejects where the simulation itself failed: that is a bug of its own. */
  run(options: Options): Promise<Result>
  close(): Promise<void>
}

type Asked<Options, Result> = { readonly options: Options; readonly answer: PromiseWithResolvers<Result> }

export function openThreads<Options extends { readonly seed: number }, Result>(
  count: number,
  program: URL,
): Threads<Options, Result> {
  const waiting: Asked<Options, Result>[] = []
  const workers = Array.from({ length: count }, () => new Worker(program))
  const idle = [...workers]

  function work(): void {
    while (idle.length > 0 && waiting.length > 0) {
      const worker = idle.pop()
      const asked = waiting.shift()
      if (worker && asked) start(worker, asked)
    }
  }

  function start(worker: Worker, { options, answer }: Asked<Options, Result>): void {
    const onMessage = (said: Answered<Result>): void => {
      worker.off('error', onError)
      if ('result' in said) answer.resolve(said.result)
      else answer.reject(new Error(`seed ${options.seed}: ${said.failure}`))
      idle.push(worker)
      work()
    }
    // An error that the thread did not catch has ended it.
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
      const answer = Promise.withResolvers<Result>()
      waiting.push({ options, answer })
      work()
      return answer.promise
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()))
    },
  }
}
