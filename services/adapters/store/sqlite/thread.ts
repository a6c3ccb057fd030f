/**
 * The way to a thread of the store and back: what is asked in one turn of the event loop travels as one message, and every
 * answer finds the one who asked. A thread that ended, or whose disk refused a commit, answers `store-failed` to all from
 * then on.
 */

import { Worker } from 'node:worker_threads'
import type { Clock } from '../../../../core/kernel/clock.ts'
import { type ErrorCode, PilotageError } from '../../../../core/kernel/errors.ts'
import type { Call, OperationName, Operations } from './engine.ts'
import type { ReaderSetup } from './reader.ts'
import type { Answer, FromWorker, Request, ToWorker, WriterSetup } from './worker.ts'

export type Ask = <Name extends OperationName>(
  name: Name,
  ...args: Parameters<Operations[Name]>
) => Promise<ReturnType<Operations[Name]>>

export type Thread = { readonly ask: Ask; close(): Promise<void> }

export type ThreadKind =
  | { readonly file: './worker.ts'; readonly setup: WriterSetup }
  | { readonly file: './reader.ts'; readonly setup: ReaderSetup }

export async function startThread(
  { file, setup }: ThreadKind,
  clock: Clock,
  onFailed: (error: PilotageError) => void,
): Promise<Thread> {
  const transferList = 'columns' in setup && setup.columns ? [setup.columns] : []
  const worker = new Worker(new URL(file, import.meta.url), { workerData: setup, transferList })
  const pending = pendingCalls()
  const opened = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  let gone: PilotageError | undefined
  let closing = false
  let outbox: Request[] = []

  function fail(error: PilotageError): void {
    const isFirst = gone === undefined
    gone ??= error
    opened.reject(error)
    pending.rejectAll(error)
    if (!isFirst || closing) return
    // It has nothing more to say that could be believed.
    void worker.terminate()
    onFailed(error)
  }

  function hear(message: FromWorker): void {
    if (message === 'open') opened.resolve()
    else if (message === 'closed') closed.resolve()
    else if ('failed' in message) fail(errorOf(message.failed))
    else for (const answer of message) hearAnswer(answer)
  }

  function hearAnswer(answer: Answer): void {
    pending.settle(answer)
    if ('code' in answer && answer.code === 'store-failed') fail(errorOf(answer))
  }

  worker.on('message', hear)
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
    const { id, promise } = pending.add()
    outbox.push({ id, call: { name, args } as Call })
    if (outbox.length === 1) clock.soon(post)
    return promise
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

/** Who asked what is not answered yet. */
function pendingCalls() {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let lastId = 0
  return {
    add(): { readonly id: number; readonly promise: Promise<unknown> } {
      lastId += 1
      const one = Promise.withResolvers<unknown>()
      waiting.set(lastId, one)
      return { id: lastId, promise: one.promise }
    },
    settle(answer: Answer): void {
      const one = waiting.get(answer.id)
      waiting.delete(answer.id)
      if ('value' in answer) one?.resolve(answer.value)
      else one?.reject(errorOf(answer))
    },
    rejectAll(error: PilotageError): void {
      for (const one of waiting.values()) one.reject(error)
      waiting.clear()
    },
  }
}

function errorOf({ code, message }: { readonly code: string; readonly message: string }): PilotageError {
  return new PilotageError(code as ErrorCode, message)
}
