/**
 * The store port over MongoDB: any number of processes on any number of machines over one replica set. Puts the parts
 * together and runs the keeper: one process at a time collects facts and completes what others left half done.
 *
 * Everything acknowledged is on a majority's disks. Nothing here takes a decision about jobs or VMs: core does, and the
 * database says by compare-and-set which of two was first.
 */

import type { Db } from 'mongodb'
import { type Clock, sleep } from '../../../../core/kernel/clock.ts'
import { asPilotageError, PilotageError } from '../../../../core/kernel/errors.ts'
import type { Log } from '../../../../core/ports/log.ts'
import type { Store } from '../../../../core/ports/store.ts'
import { systemRandom } from '../../../../core/kernel/random.ts'
import { openChanges } from './changes.ts'
import { openClaimRoom } from './claim-room.ts'
import { openCollector } from './collector.ts'
import { type Database, errorOf, guarded, openDatabase } from './database.ts'
import { openFacts } from './facts.ts'
import { openForget } from './forget.ts'
import { openImages } from './images.ts'
import { assertNoImport } from './import-mark.ts'
import { knownQueues } from './known-queues.ts'
import { openQuotas } from './quota.ts'
import { openReading } from './reading.ts'
import { openRoles } from './roles.ts'
import { migrate } from './schema.ts'
import { openPageCache } from './page-cache.ts'
import { openSpecs } from './specs.ts'
import { complete, openSubmit, type SubmitOptions } from './submit.ts'
import { openClaimGate } from './claim-gate.ts'
import { openVms } from './vms.ts'

export type MongoOptions = {
  /** May hold an account: never to be logged. */
  readonly url: string
  /** Members of the replica set may be beyond this machine; absent: none may. */
  readonly mayLeave?: boolean
  readonly database: string
  readonly clock: Clock
  readonly log: Log
  /** Who this process is, in roles. */
  readonly holder: string
}

export type MongoStore = { readonly store: Store; readonly db: Db }

const keeperRole = 'keeper'
const keeperHoldMs = 8000
const keeperEveryMs = 2000
/** A submission that is still open after so long was left by its process. */
const openMostMs = 10_000

/** Throws `unavailable` where no primary answers, `invalid-argument` where one is beyond this machine and may not be, `store-newer`, `store-failed` where an import is not finished. */
export async function openMongoStore({
  url,
  mayLeave,
  database: name,
  clock,
  log,
  holder,
}: MongoOptions): Promise<MongoStore> {
  const database = openDatabase(url, name, mayLeave)
  try {
    await guarded('connecting to the store', () => database.client.connect())
    await guarded('preparing the store', () => migrate(database))
    await assertNoImport(database)
  } catch (error) {
    await database.client.close().catch(() => undefined)
    throw database.strayed() ?? errorOf(error, 'opening the store')
  }
  const random = systemRandom()
  const queues = knownQueues(database, clock)
  const cache = openPageCache(database, queues)
  const specs = openSpecs(database)
  const gate = openClaimGate(database, clock)
  const changes = openChanges({ database, cache, specs, queues, gate, room: openClaimRoom(database, random), clock, random })
  const collector = openCollector(database, clock, log)
  const quotas = openQuotas(database, clock, random)
  const submitting: SubmitOptions = { database, cache, specs, queues, quotas, clock, random }
  const roles = openRoles(database)
  const keeper = startKeeper({ database, clock, log, holder }, submitting, collector, roles)
  const store: Store = {
    submit: openSubmit(submitting),
    change: changes.change,
    ...openReading({ database, cache, specs, queues, claiming: changes.claiming }),
    counts: collector.counts,
    forget: openForget({ database, cache, specs, queues, random }),
    ...openVms({ database, cache, clock, random }),
    ...openImages({ database, clock, random }),
    ...openFacts(database, cache, clock, random),
    ...roles,
    async close() {
      await changes.idle()
      await keeper.stop()
      await database.client.close()
    },
  }
  return { store, db: database.db }
}

/** Holds the role while this process has it, and does its two duties. Ends only with the process. */
function startKeeper(
  { database, clock, log, holder }: Pick<MongoOptions, 'clock' | 'log' | 'holder'> & { readonly database: Database },
  submitting: SubmitOptions,
  collector: ReturnType<typeof openCollector>,
  roles: ReturnType<typeof openRoles>,
): { stop(): Promise<void> } {
  const stopping = new AbortController()
  let heldUntilMs = Number.NEGATIVE_INFINITY
  const isHeld = (): boolean => !stopping.signal.aborted && clock.monotonicMs() < heldUntilMs

  async function renew(): Promise<void> {
    while (!stopping.signal.aborted) {
      // Counted from before the question: the store counts from later.
      const askedMs = clock.monotonicMs()
      try {
        const lease = await roles.hold(keeperRole, holder, keeperHoldMs, clock.nowMs())
        heldUntilMs = lease ? askedMs + keeperHoldMs : Number.NEGATIVE_INFINITY
      } catch (error) {
        log.warn({ err: asPilotageError(error, 'holding the keeper role') }, 'the store does not answer')
      }
      await sleep(clock, keeperEveryMs, stopping.signal)
    }
  }

  async function collect(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        if (isHeld()) await collector.run(isHeld)
      } catch (error) {
        log.warn(
          { err: asPilotageError(errorOf(error, 'collecting facts'), 'collecting facts') },
          'collecting facts again soon',
        )
      }
      await sleep(clock, keeperHeldCheckMs, stopping.signal)
    }
  }

  async function completeOpen(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        if (isHeld()) await completeLeft(database, submitting, clock.nowMs())
      } catch (error) {
        const known = asPilotageError(error, 'completing submissions')
        if (!(known instanceof PilotageError) || known.code !== 'unavailable')
          log.error({ err: known }, 'a submission stays open')
      }
      await sleep(clock, openMostMs / 2, stopping.signal)
    }
  }

  const duties = Promise.all([renew(), collect(), completeOpen()])
  return {
    async stop() {
      stopping.abort()
      await duties
      await roles.letGo(keeperRole, holder).catch(() => undefined)
    },
  }
}

const keeperHeldCheckMs = 100

async function completeLeft({ submissions }: Database, submitting: SubmitOptions, nowMs: number): Promise<void> {
  const left = await guarded('reading open submissions', () =>
    submissions
      .find({ open: true, at: { $lt: nowMs - openMostMs } })
      .limit(100)
      .toArray(),
  )
  await complete(submitting, left)
}
