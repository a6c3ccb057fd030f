/**
 * The thread that reads beside the writer: a connection of its own, which sees every commit that was acknowledged before the
 * read began. Reads take turns, a slice each, so that a long listing delays neither commits nor other reads.
 *
 * No read transaction stays open between two slices: the log can be written back, and does not grow without bound.
 */

import { setPriority } from 'node:os'
import { DatabaseSync } from 'node:sqlite'
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { asPilotageError } from '../../../../core/kernel/errors.ts'
import { awaitTurn, type ReaderFlag } from './log-limit.ts'
import { type ColumnNews, newColumns, takeNews } from './columns.ts'
import { longReads, shortReads, type Slices } from './reads.ts'
import type { FromWorker, Request, ToWorker } from './worker.ts'

export type ReaderSetup = { readonly path: string; readonly flag: ReaderFlag; readonly columns: MessagePort }

type Turn = { readonly id: number; readonly slices: Slices<unknown> }

/** Where all cores are busy, the writer gets some three times the processor time of the reader. */
const readerNiceness = 5

/** How long a read waits for a lock: one is held only while a connection opens or closes. */
const busyMs = 5000

const port = parentPort
if (!port) throw new Error('assertion failed: the store reader runs in a thread of its own')
const say = (message: FromWorker): void => port.postMessage(message)

const refused = (error: unknown, doing: string) => {
  const { code, message } = asPilotageError(error, doing)
  return { code, message }
}

try {
  const { path, flag, columns: writer } = workerData as ReaderSetup
  // On Linux a priority is a thread's own. Where it is the process's, all threads stay equal.
  if (process.platform === 'linux') setPriority(0, readerNiceness)
  const db = new DatabaseSync(path, { readOnly: true, timeout: busyMs })
  const columns = newColumns()
  const { list, countBy } = longReads(db, columns)
  const short = shortReads(db)
  const turns: Turn[] = []

  /** What throws fails its own read alone. */
  function answer(id: number, read: () => IteratorResult<undefined, unknown>): boolean {
    try {
      awaitTurn(flag)
      const { done, value } = read()
      if (done) say([{ id, value }])
      return done === true
    } catch (error) {
      say([{ id, ...refused(error, 'read the store') }])
      return true
    }
  }

  /** The writer says what is new before it acknowledges. */
  function takeAllNews(): void {
    for (let news = receiveMessageOnPort(writer); news; news = receiveMessageOnPort(writer)) {
      takeNews(columns, news.message as ColumnNews)
    }
  }

  function take({ id, call }: Request): void {
    if (call.name === 'list' || call.name === 'countBy') {
      takeAllNews()
      turns.push({ id, slices: call.name === 'list' ? list(...call.args) : countBy(...call.args) })
      return
    }
    const read = short[call.name as keyof typeof short] as (...args: unknown[]) => unknown
    answer(id, () => ({ done: true, value: read(...call.args) }))
  }

  function step(turn: Turn): void {
    if (!answer(turn.id, () => turn.slices.next())) turns.push(turn)
  }

  port.on('message', (first: ToWorker) => {
    let message: ToWorker | undefined = first
    while (message !== 'close') {
      for (const request of message ?? []) take(request)
      const turn = turns.shift()
      if (turn) step(turn)
      message = receiveMessageOnPort(port)?.message as ToWorker | undefined
      if (message === undefined && turns.length === 0) return
    }
    db.close()
    writer.close()
    say('closed')
    port.close()
  })
  say('open')
} catch (error) {
  say({ failed: refused(error, 'open the store for reading') })
  port.close()
}
