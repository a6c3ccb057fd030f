/**
 * Worker processes for batches of inputs. A worker that dies, or works on one input for too long, is replaced; the
 * input that it had is a crash, and the rest of its batch goes to the next worker.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock, Timer } from '../../core/kernel/clock.ts'
import type { Batch, BatchResult } from './run-inputs.ts'

export type Measured = BatchResult & { readonly memoryBytes: number }
/** The input at which a worker ended. */
export type Ended = { readonly batch: Batch; readonly index: number; readonly why: string }

export type WorkerOptions = {
  readonly clock: Clock
  readonly count: number
  /** The file with the list of targets. */
  readonly module: string
  /** Longest time for one input. */
  readonly inputMs: number
  readonly memoryMb: number
  /** The next batch; undefined: there are no more. */
  readonly next: () => Batch | undefined
  readonly measured: (batch: Batch, result: Measured) => void
  readonly ended: (ended: Ended) => void
}

/** The heap may not grow to what is measured: then the limit is the process's end. */
const heapShare = 0.7

/** Resolves when there are no more batches and every worker is idle. */
export async function runWorkers(options: WorkerOptions): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'pilotage-fuzz-'))
  const again: Batch[] = []
  const next = (): Batch | undefined => again.shift() ?? options.next()
  try {
    const places = Array.from({ length: options.count }, (_, at) => join(dir, String(at)))
    await Promise.all(places.map((place) => workOn(options, place, next, again)))
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

async function workOn(options: WorkerOptions, place: string, next: () => Batch | undefined, again: Batch[]): Promise<void> {
  let worker: ChildProcess | undefined
  for (let batch = next(); batch; batch = next()) {
    worker ??= await startWorker(options, place)
    const answer = await answerOf(worker, batch, options, place)
    if ('memoryBytes' in answer) {
      options.measured(batch, answer)
      continue
    }
    worker = undefined
    options.ended({ batch, ...answer })
    const count = batch.from + batch.count - answer.index - 1
    if (count > 0) again.push({ ...batch, from: answer.index + 1, count })
  }
  worker?.disconnect()
}

function startWorker({ module, memoryMb }: WorkerOptions, place: string): Promise<ChildProcess> {
  const execArgv = [`--max-old-space-size=${Math.floor(memoryMb * heapShare)}`, '--max-semi-space-size=16']
  const worker = fork(join(import.meta.dirname, 'worker/main.ts'), [module, place], { execArgv, stdio: 'inherit' })
  return new Promise((resolve, reject) => {
    worker.once('message', () => resolve(worker))
    worker.once('exit', (code) => reject(new Error(`a worker ended with ${code} before its first batch`)))
  })
}

type Death = { readonly index: number; readonly why: string }

function answerOf(
  worker: ChildProcess,
  batch: Batch,
  { clock, inputMs }: WorkerOptions,
  place: string,
): Promise<Measured | Death> {
  return new Promise((resolve) => {
    let timer: Timer
    let last = -1
    let isLate = false
    const index = (): number => Math.max(batch.from, Number(readFileSync(place, 'utf8').trim() || batch.from))
    const look = (): void => {
      const now = index()
      if (now === last) {
        isLate = true
        worker.kill('SIGKILL')
        return
      }
      last = now
      timer = clock.after(inputMs, look)
    }
    const onExit = (code: number | null, signal: string | null): void => {
      timer.cancel()
      worker.removeAllListeners('message')
      resolve({ index: index(), why: isLate ? `no end within ${inputMs} ms` : `its process ended with ${code ?? signal}` })
    }
    worker.once('exit', onExit)
    worker.once('message', (result: Measured) => {
      timer.cancel()
      worker.off('exit', onExit)
      resolve(result)
    })
    timer = clock.after(inputMs, look)
    worker.send(batch)
  })
}
