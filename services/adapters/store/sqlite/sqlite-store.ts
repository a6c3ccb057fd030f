/**
 * The store port over SQLite. For the service the engine runs in a thread of its own, beside a thread that only reads, and
 * what is asked in one turn of the event loop travels as one message; for tests and the simulator the engine runs in place,
 * in memory.
 *
 * Adds nothing to the engine but the packing of descriptions to text. A store whose thread ended answers `store-failed` to
 * everything: nothing is acknowledged that might not be durable.
 */

import { MessageChannel } from 'node:worker_threads'
import { specOfText } from '../../../../core/model/earlier-job.ts'
import { type Clock, nextTurn } from '../../../../core/kernel/clock.ts'
import { asPilotageError, type PilotageError } from '../../../../core/kernel/errors.ts'
import type { Store } from '../../../../core/ports/store.ts'
import { coreDecisions, type Decisions } from '../../../../core/model/apply.ts'
import { type Call, openEngine, type OperationName } from './engine.ts'
import { newReaderFlag } from './log-limit.ts'
import { submitter } from './submission.ts'
import { type Ask, startThread } from './thread.ts'

/**
 * Over the database file, in a worker thread. Throws `store-newer` or `store-failed` where it cannot be opened. `onFailed`
 * is called once if it fails later: what the disk holds is unknown from then on, and only a new start can show it.
 */
export async function openSqliteStore(
  path: string,
  clock: Clock,
  onFailed: (error: PilotageError) => void = () => {},
): Promise<Store> {
  let hasFailed = false
  const failOnce = (error: PilotageError): void => {
    if (!hasFailed) onFailed(error)
    hasFailed = true
  }
  const flag = newReaderFlag()
  const columns = new MessageChannel()
  const setup = { path, purpose: 'service', flag, columns: columns.port1 } as const
  const writer = await startThread({ file: './worker.ts', setup }, clock, failOnce)
  try {
    const reader = await startThread({ file: './reader.ts', setup: { path, flag, columns: columns.port2 } }, clock, failOnce)
    // The writer last: the last connection writes the log back and removes it.
    const close = (): Promise<void> => reader.close().then(writer.close)
    return storeOver(writer.ask, reader.ask, close, () => nextTurn(clock))
  } catch (error) {
    await writer.close()
    throw error
  }
}

/**
 * In memory and in place, with the same engine. Each call is one transaction; what is answered is only as durable as the
 * process.
 */
export function memoryStore(decisions: Decisions = coreDecisions): Store {
  const engine = openEngine(':memory:', { decisions })
  const ask = async (name: OperationName, ...args: unknown[]): Promise<unknown> => {
    // As across the threads: what is handed in and out is a copy.
    const [outcome] = engine.commit([structuredClone({ name, args }) as Call])
    if (!outcome?.ok) throw asPilotageError(outcome?.error, `store ${name}`)
    return outcome.value
  }
  return storeOver(
    ask as Ask,
    ask as Ask,
    async () => engine.close(),
    async () => {},
  )
}

/**
 * `read` may answer from another thread than `ask`: what was acknowledged before is seen, what is under way may be or not.
 * With the writer stay the reads that it answers from memory (counts, VMs, leases, what waits) and those of single rows.
 */
function storeOver(ask: Ask, read: Ask, close: () => Promise<void>, yieldTurn: () => Promise<void>): Store {
  return {
    submit: submitter(ask, yieldTurn),
    async change(events, nowMs) {
      const outcomes = await ask('change', events, nowMs)
      return outcomes.map((outcome) => {
        if (!outcome.ok) return outcome
        const { spec, ...rest } = outcome
        return spec === undefined ? rest : { ...rest, spec: specOfText(spec, rest.job.id) }
      })
    },
    async specs(ids) {
      const found = await ask('specs', ids)
      return new Map(found.map(([id, text]) => [id, specOfText(text, id)]))
    },
    jobs: (ids) => ask('jobs', ids),
    list: (query) => read('list', query),
    countBy: (filter, query) => read('countBy', filter, query),
    queues: (of) => ask('queues', of),
    next: (classId, limit) => ask('next', classId, limit),
    expired: (nowMs, limit) => ask('expired', nowMs, limit),
    leasesBeyond: (untilMs, limit) => ask('leasesBeyond', untilMs, limit),
    counts: () => ask('counts'),
    dependants: (on, limit) => ask('dependants', on, limit),
    awaitedEnds: (endedBeforeMs, limit) => ask('awaitedEnds', endedBeforeMs, limit),
    forget: (endedBeforeMs, limit) => ask('forget', endedBeforeMs, limit),
    intend: (vm, nowMs, under) => ask('intend', vm, nowMs, under),
    changeVms: (events, nowMs) => ask('changeVms', events, nowMs),
    vm: (id) => ask('vm', id),
    liveVms: () => ask('liveVms'),
    endedVms: (limit) => read('endedVms', limit),
    leasesOn: (id) => ask('leasesOn', id),
    images: (names) => ask('images', names),
    changeImage: (event, nowMs) => ask('changeImage', event, nowMs),
    emit: (facts, nowMs) => ask('emit', facts, nowMs),
    history: (subject, limit) => read('history', subject, limit),
    facts: (afterSeq, limit) => read('facts', afterSeq, limit),
    note: (name) => ask('note', name),
    changeNote: (note, facts, nowMs) => ask('changeNote', note, facts, nowMs),
    keepNote: (name, text) => ask('keepNote', name, text),
    hold: (role, holder, forMs, nowMs) => ask('hold', role, holder, forMs, nowMs),
    letGo: (role, holder) => ask('letGo', role, holder),
    roles: (prefix, nowMs) => ask('roles', prefix, nowMs),
    claim: (owner, content, maxOwnerBytes, nowMs) => ask('claim', owner, content, maxOwnerBytes, nowMs),
    settleClaim: (owner, digest, nowMs) => ask('settleClaim', owner, digest, nowMs),
    renewClaims: (owner, digests, nowMs) => ask('renewClaims', owner, digests, nowMs),
    endClaims: (notRenewedSinceMs, limit, nowMs) => ask('endClaims', notRenewedSinceMs, limit, nowMs),
    blobsRemoved: (blobs) => ask('blobsRemoved', blobs),
    keepOutputFile: (attempt, owner, file) => ask('keepOutputFile', attempt, owner, file),
    outputFiles: (attempt) => ask('outputFiles', attempt),
    accountedSeq: () => ask('accountedSeq'),
    meters: (ids) => ask('meters', ids),
    metersAfter: (after, limit) => ask('metersAfter', after, limit),
    account: (batch) => ask('account', batch),
    usage: (query) => read('usage', query),
    usageRecords: (query) => read('usageRecords', query),
    forgetUsageRecords: (endedBeforeMs, limit) => ask('forgetUsageRecords', endedBeforeMs, limit),
    close,
  }
}
