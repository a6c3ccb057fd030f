/**
 * The thread that owns the database. What arrived together is committed together: one transaction, one fsync, one answer.
 *
 * While a commit waits for the disk, the next group gathers in the port: the busier the service, the larger the group.
 */

import { statSync } from 'node:fs'
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { asPilotageError } from '../../../../core/kernel/errors.ts'
import { type Call, openEngine, type Outcome } from './engine.ts'
import { boundLog, type ReaderFlag } from './log-limit.ts'
import { lockStore, makeOwnFile } from './own-files.ts'
import type { Purpose } from './schema.ts'

/** `flag` and `columns`: there is a reader beside it. */
export type WriterSetup = {
  readonly path: string
  readonly purpose: Purpose
  readonly flag?: ReaderFlag
  readonly columns?: MessagePort
}
export type Request = { readonly id: number; readonly call: Call }
/** Errors cross the threads as their parts: a class would lose its own fields on the way. */
export type Answer = { readonly id: number } & (
  | { readonly value: unknown }
  | { readonly code: string; readonly message: string }
)
export type ToWorker = readonly Request[] | 'close'
export type FromWorker = readonly Answer[] | 'open' | 'closed' | { readonly failed: { code: string; message: string } }

/** Requests in one transaction: bounds how long an answer waits for its neighbours. */
const maxGroupSize = 2000

/** The size of the log is looked at once in this number of commits: a look costs a commit of one job some percent. */
const commitsPerLook = 64

const port = parentPort
if (!port) throw new Error('assertion failed: the store worker runs in a thread of its own')
const say = (message: FromWorker): void => port.postMessage(message)

const refused = (error: unknown, doing: string) => {
  const { code, message } = asPilotageError(error, doing)
  return { code, message }
}

function answerOf(id: number, outcome: Outcome): Answer {
  return outcome.ok ? { id, value: outcome.value } : { id, ...refused(outcome.error, 'store') }
}

try {
  const { path, purpose, flag, columns } = workerData as WriterSetup
  // The log and its index beside the database get the same mode.
  makeOwnFile(path)
  const lock = lockStore(path)
  const engine = openEngine(path, { purpose, publish: (news) => columns?.postMessage(news) })
  const logBytes = (): number => statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  let commits = 0
  port.on('message', (first: ToWorker) => {
    const group: Request[] = []
    let message: ToWorker | undefined = first
    while (message !== undefined && message !== 'close') {
      group.push(...message)
      message = group.length < maxGroupSize ? (receiveMessageOnPort(port)?.message as ToWorker | undefined) : undefined
    }
    if (group.length > 0) {
      const outcomes = engine.commit(group.map(({ call }) => call))
      say(group.map(({ id }, at) => answerOf(id, outcomes[at] ?? { ok: false, error: new Error('no outcome') })))
      commits += 1
      if (flag && commits % commitsPerLook === 0) boundLog(flag, logBytes(), engine.emptyLog)
    }
    if (message === 'close') {
      engine.close()
      lock.unlock()
      columns?.close()
      say('closed')
      port.close()
    }
  })
  say('open')
} catch (error) {
  say({ failed: refused(error, 'open the store') })
  port.close()
}
