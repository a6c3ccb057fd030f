/**
 * A fresh store for a bench, of either kind: on disk in its directory, as one process serves it. MongoDB is a replica set of
 * one that the bench starts, or a running server that PILOTAGE_MONGO_URL names.
 */

import { loadavg } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../core/kernel/clock.ts'
import { silentLog } from '../core/ports/log.ts'
import type { Store } from '../core/ports/store.ts'
import { openSqliteStore } from '../services/adapters/store/sqlite/sqlite-store.ts'
import { openKeptMongoStore } from '../services/run/mongo-upkeep.ts'
import { findPeers, neededPeer } from '../test/peers/find-peers.ts'
import { openMongo } from '../test/peers/mongo-servers.ts'

export type StoreKind = 'sqlite' | 'mongo'

export type BenchStoreOptions = {
  readonly dir: string
  readonly clock: Clock
  /** Of the process: where the servers are. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

export function storeKindOf(word: string): StoreKind {
  if (word === 'sqlite' || word === 'mongo') return word
  throw new Error(`unknown store "${word}"; accepted: sqlite, mongo`)
}

export const loadText = (): string =>
  loadavg()
    .map((one) => one.toFixed(1))
    .join(' ')

/** `stop` takes away what was started for the store, after its `close`. */
export async function openBenchStore(kind: StoreKind, { dir, clock, environment }: BenchStoreOptions) {
  if (kind === 'sqlite') {
    const store: Store = await openSqliteStore(join(dir, 'pilotage.db'), clock)
    return { store, stop: async (): Promise<void> => undefined }
  }
  const mongo = await openMongo({ clock, place: neededPeer(findPeers(environment), 'mongod'), dir, members: 1 })
  try {
    const database = mongo.newDatabase()
    const { store } = await openKeptMongoStore({ url: mongo.url, database, clock, log: silentLog(), holder: 'bench' })
    return { store, stop: () => mongo.stop() }
  } catch (error) {
    await mongo.stop()
    throw error
  }
}
