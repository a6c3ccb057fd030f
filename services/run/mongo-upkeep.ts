/**
 * The store on MongoDB with what repeats around it: the adapter has the steps, and the loops and the role lease of every
 * other role drive them here. One process at a time is the keeper, which collects facts and completes submissions that a
 * process left.
 *
 * What is opened here is closed with the store: first the loops end, then the role is given up, then the store closes.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { asPilotageError, PilotageError } from '../../core/kernel/errors.ts'
import type { Archive } from '../../core/ports/archive.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Store } from '../../core/ports/store.ts'
import { openMongoArchive, renewEveryMs } from '../adapters/store/mongo/mongo-archive.ts'
import { type MongoOptions, type MongoStore, openMongoStore, type Upkeep } from '../adapters/store/mongo/mongo-store.ts'
import { startLoop } from '../coordination/loop.ts'
import { holdRole } from '../coordination/role-lease.ts'

/** Of all processes with this role one is the keeper. Archives know a service by it, whatever else the service does. */
const keeperRole = 'keeper'

type UpkeepOptions = MongoOptions & {
  /** Who this process is, in roles. */
  readonly holder: string
}

export type KeptMongoStore = Pick<MongoStore, 'db' | 'store'>

export async function openKeptMongoStore(options: UpkeepOptions): Promise<KeptMongoStore> {
  const { store, db, upkeep } = await openMongoStore(options)
  return { db, store: withUpkeep(store, upkeep, options) }
}

function withUpkeep(store: Store, upkeep: Upkeep, { clock, log, holder }: UpkeepOptions): Store {
  const warn = (error: unknown): void =>
    log.warn({ err: asPilotageError(error, 'holding the keeper role') }, 'store unreachable, retrying')
  const held = holdRole({ store, clock, holder, role: keeperRole, onError: warn })
  let isStopping = false
  const isKeeper = (): boolean => !isStopping && held.now() !== undefined
  const loops = upkeep.map(({ what, everyMs, step }) =>
    startLoop({
      clock,
      periodMs: everyMs,
      step: async () => {
        if (isKeeper()) await step(isKeeper)
      },
      onError: (error) => logFailure(log, what, error),
    }),
  )
  return {
    ...store,
    async close() {
      isStopping = true
      await Promise.all(loops.map((loop) => loop.stop()))
      await held.stop()
      await store.close()
    },
  }
}

/** What is unreachable comes back; anything else needs an operator. */
function logFailure(log: Log, what: string, error: unknown): void {
  const err = asPilotageError(error, what)
  const isPassing = err instanceof PilotageError && err.code === 'unavailable'
  if (isPassing) log.warn({ err }, `${what} failed, retrying`)
  else log.error({ err }, `${what} failed`)
}

/** Its role is renewed for as long as it is open. A renewal that fails shows when the archive asks whether it was alone. */
export async function openKeptMongoArchive(options: Parameters<typeof openMongoArchive>[0]): Promise<Archive> {
  const { archive, renew } = await openMongoArchive(options)
  const clock: Clock = options.clock
  const loop = startLoop({ clock, periodMs: renewEveryMs, step: renew, onError: () => undefined })
  return { ...archive, close: () => loop.stop().then(() => archive.close()) }
}
