/**
 * The store port over SQLite. For the service the engine runs in a thread of its own and what is asked in one turn of the
 * event loop travels as one message; for tests and the simulator it runs in place, in memory.
 *
 * Adds nothing to the engine but the packing of descriptions to text. A store whose thread ended answers `store-failed` to
 * everything: nothing is acknowledged that might not be durable.
 */

import { Worker } from 'node:worker_threads'
import type { Clock } from '../../../../core/clock.ts'
import { asPilotageError, type ErrorCode, PilotageError } from '../../../../core/errors.ts'
import type { JobSpec } from '../../../../core/job.ts'
import type { Store } from '../../../../core/ports/store.ts'
import { type Call, coreDecisions, type Decisions, openEngine, type OperationName, type Operations } from './engine.ts'
import type { Answer, FromWorker, Request, ToWorker } from './worker.ts'

type Ask = <Name extends OperationName>(
  name: Name,
  ...args: Parameters<Operations[Name]>
) => Promise<ReturnType<Operations[Name]>>

/**
 * Over the database file, in a worker thread. Throws `store-newer` or `store-failed` where it cannot be opened. `onFailed` is
 * called once if it fails later: what the disk holds is unknown from then on, and only a new start can tell.
 */
export async function openSqliteStore(
  path: string,
  clock: Clock,
  onFailed?: (error: PilotageError) => void,
): Promise<Store> {
  const thread = await startThread(path, clock, onFailed)
  return storeOver(thread.ask, thread.close)
}

/** In memory and in place, with the same engine. Each call is one transaction; what is answered is only as durable as the process. */
export function memoryStore(decisions: Decisions = coreDecisions): Store {
  const engine = openEngine(':memory:', decisions)
  const ask = async (name: OperationName, ...args: unknown[]): Promise<unknown> => {
    // As across the threads: what is handed in and out is a copy.
    const [outcome] = engine.commit([structuredClone({ name, args }) as Call])
    if (!outcome?.ok) throw asPilotageError(outcome?.error, `store ${name}`)
    return outcome.value
  }
  return storeOver(ask as Ask, async () => engine.close())
}

function storeOver(ask: Ask, close: () => Promise<void>): Store {
  return {
    submit(submission, nowMs) {
      const jobs = submission.jobs.map(({ classId, spec }) => ({
        classId,
        name: spec.name,
        priority: spec.priority,
        maxAttempts: spec.maxAttempts,
        spec: JSON.stringify(spec),
      }))
      return ask('submit', { ...submission, jobs }, nowMs)
    },
    async change(events, nowMs) {
      const outcomes = await ask('change', events, nowMs)
      return outcomes.map((outcome) => {
        if (!outcome.ok) return outcome
        const { spec, ...rest } = outcome
        return spec === undefined ? rest : { ...rest, spec: specOf(spec) }
      })
    },
    async specs(ids) {
      const found = await ask('specs', ids)
      return new Map(found.map(([id, text]) => [id, specOf(text)]))
    },
    jobs: (ids) => ask('jobs', ids),
    list: (query) => ask('list', query),
    queues: () => ask('queues'),
    next: (classId, limit) => ask('next', classId, limit),
    expired: (nowMs, limit) => ask('expired', nowMs, limit),
    counts: () => ask('counts'),
    forget: (endedBeforeMs, limit) => ask('forget', endedBeforeMs, limit),
    intend: (vm, nowMs) => ask('intend', vm, nowMs),
    changeVms: (events, nowMs) => ask('changeVms', events, nowMs),
    vm: (id) => ask('vm', id),
    liveVms: () => ask('liveVms'),
    endedVms: (limit) => ask('endedVms', limit),
    leasesOn: (id) => ask('leasesOn', id),
    tell: (facts, nowMs) => ask('tell', facts, nowMs),
    history: (subject, limit) => ask('history', subject, limit),
    facts: (afterSeq, limit) => ask('facts', afterSeq, limit),
    note: (name) => ask('note', name),
    keepNote: (name, text) => ask('keepNote', name, text),
    close,
  }
}

function specOf(text: string): JobSpec {
  return JSON.parse(text) as JobSpec
}

async function startThread(
  path: string,
  clock: Clock,
  onFailed: (error: PilotageError) => void = () => {},
): Promise<{ ask: Ask; close(): Promise<void> }> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: { path } })
  const pending = new Map<number, PromiseWithResolvers<unknown>>()
  const opened = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  let gone: PilotageError | undefined
  let closing = false
  let lastId = 0
  let outbox: Request[] = []

  function fail(error: PilotageError): void {
    const isFirst = gone === undefined
    gone ??= error
    opened.reject(error)
    for (const waiting of pending.values()) waiting.reject(error)
    pending.clear()
    if (!isFirst || closing) return
    // It has nothing more to say that could be believed.
    void worker.terminate()
    onFailed(error)
  }

  function settle(answer: Answer): void {
    const waiting = pending.get(answer.id)
    pending.delete(answer.id)
    if ('value' in answer) return waiting?.resolve(answer.value)
    const error = new PilotageError(answer.code as ErrorCode, answer.message)
    waiting?.reject(error)
    if (error.code === 'store-failed') fail(error)
  }

  worker.on('message', (message: FromWorker) => {
    if (message === 'open') opened.resolve()
    else if (message === 'closed') closed.resolve()
    else if ('failed' in message) fail(new PilotageError(message.failed.code as ErrorCode, message.failed.message))
    else message.forEach(settle)
  })
  worker.on('error', (error) => fail(new PilotageError('store-failed', 'the store thread failed', { cause: error })))
  worker.on('exit', () => {
    closed.resolve()
    fail(new PilotageError('store-failed', 'the store is closed'))
  })

  function post(): void {
    const message: ToWorker = outbox
    outbox = []
    worker.postMessage(message)
  }

  const ask = (name: OperationName, ...args: unknown[]): Promise<unknown> => {
    if (gone) return Promise.reject(gone)
    lastId += 1
    const waiting = Promise.withResolvers<unknown>()
    pending.set(lastId, waiting)
    outbox.push({ id: lastId, call: { name, args } as Call })
    // One message for all that is asked in this turn of the event loop.
    if (outbox.length === 1) clock.soon(post)
    return waiting.promise
  }

  await opened.promise
  return {
    ask: ask as Ask,
    async close() {
      closing = true
      if (!gone) clock.soon(() => worker.postMessage('close' satisfies ToWorker))
      await closed.promise
    },
  }
}
