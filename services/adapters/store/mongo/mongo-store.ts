/**
 * The store port over MongoDB: any number of processes on any number of machines over one replica set. Puts the parts
 * together, and names the upkeep that one process at a time does: collect facts, and complete what others left half done.
 *
 * Everything acknowledged is on a majority's disks. Nothing here takes a decision about jobs or VMs: core does, and the
 * database says by compare-and-set which of two was first.
 */

import type { Db } from 'mongodb'
import type { Clock } from '../../../../core/kernel/clock.ts'
import type { Log } from '../../../../core/ports/log.ts'
import type { Store } from '../../../../core/ports/store.ts'
import { systemRandom } from '../../../../core/kernel/random.ts'
import { openAccounting } from './accounting.ts'
import { openChanges } from './changes.ts'
import { openClaimRoom } from './claim-room.ts'
import { type Collector, openCollector } from './collector.ts'
import { type Database, errorOf, guarded, openDatabase } from './database.ts'
import { openDependencies } from './dependants.ts'
import { openFacts } from './facts.ts'
import { openForget } from './forget.ts'
import { openImages } from './images.ts'
import { assertNoImport } from './import-mark.ts'
import { openListing } from './listing.ts'
import { knownQueues } from './known-queues.ts'
import { openQuotas } from './quota.ts'
import { openReading } from './reading.ts'
import { openRoles } from './roles.ts'
import { openSandbox } from './sandbox.ts'
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
}

/**
 * What one process at a time has to do for the store, each in a loop of its own. `isKeeper`: whether it still is this
 * process.
 */
export type Upkeep = readonly {
  readonly what: string
  readonly everyMs: number
  readonly step: (isKeeper: () => boolean) => Promise<void>
}[]

export type MongoStore = { readonly store: Store; readonly db: Db; readonly upkeep: Upkeep }

/** A submission that is still open after this time was left by its process. */
const openMostMs = 10_000

/**
 * Throws `unavailable` where no primary answers, `invalid-argument` where one is beyond this machine and may not be,
 * `store-newer`, `store-failed` where an import is not finished.
 */
export async function openMongoStore({ url, mayLeave, database: name, clock, log }: MongoOptions): Promise<MongoStore> {
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
  const dependencies = openDependencies({ database, cache })
  const { change } = changes
  const submitting: SubmitOptions = { database, cache, specs, queues, quotas, clock, random, change, ...dependencies }
  const store: Store = {
    submit: openSubmit(submitting),
    change,
    ...dependencies,
    ...openReading({ database, cache, specs, queues, claiming: changes.claiming }),
    ...openListing(database),
    counts: collector.counts,
    forget: openForget({ database, cache, specs, queues, random }),
    ...openVms({ database, cache, clock, random }),
    ...openImages({ database, clock, random }),
    ...openFacts(database, cache, clock, random),
    ...openRoles(database),
    ...openSandbox(database),
    ...openAccounting(database),
    async close() {
      await changes.idle()
      await database.client.close()
    },
  }
  return { store, db: database.db, upkeep: upkeepOf(database, clock, collector, submitting) }
}

/** The facts wait for it: it looks for the role often. */
const collectEveryMs = 100

function upkeepOf(database: Database, clock: Clock, collector: Collector, submitting: SubmitOptions): Upkeep {
  return [
    {
      what: 'collecting facts',
      everyMs: collectEveryMs,
      step: (isKeeper) =>
        collector.run(isKeeper).catch((error: unknown) => Promise.reject(errorOf(error, 'collecting facts'))),
    },
    {
      what: 'completing submissions',
      everyMs: openMostMs / 2,
      step: () => completeLeft(database, submitting, clock.nowMs()),
    },
  ]
}

async function completeLeft({ submissions }: Database, submitting: SubmitOptions, nowMs: number): Promise<void> {
  const left = await guarded('reading open submissions', () =>
    submissions
      .find({ open: true, at: { $lt: nowMs - openMostMs } })
      .limit(100)
      .toArray(),
  )
  await complete(submitting, left)
}
