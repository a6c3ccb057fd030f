/**
 * The engines, built from ports: the one way that production, the simulator and the tests come to a running Pilotage.
 *
 * Knows no adapter, no wire and no configuration file. Everything that repeats is a loop around a step here, and the steps are
 * there to be called without the loops.
 */

import type { Clock } from '../../core/kernel/clock.ts'
import { type Holding, holdRole } from '../coordination/role-lease.ts'
import { sweepEveryMs } from '../../core/kernel/limits.ts'
import { type Loop, startLoop } from '../coordination/loop.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Sandbox } from '../../core/ports/sandbox.ts'
import type { Store } from '../../core/ports/store.ts'
import { holdSeat, type ProcessSeat } from '../coordination/seat.ts'
import type { Spread } from '../coordination/spread.ts'
import { type Director, director } from '../director/director.ts'
import { heldBack } from '../director/held-back.ts'
import { cloudRole, holdClouds } from '../director/hold-clouds.ts'
import type { DirectorOptions } from '../director/options.ts'
import { type Catalogue, checkedImages } from '../images/catalogue.ts'
import { openTrust, type Trust } from '../images/trust.ts'
import { afterChange } from '../outcomes/after-change.ts'
import { type Learn, learn, learnAll, learnEveryMs } from '../matcher/learn.ts'
import { matcher } from '../matcher/matcher.ts'
import type { Queue, QueuePolicy } from '../jobs/queue.ts'
import { openSessions } from '../matcher/sessions.ts'
import { sweep, type Sweep, sweeperRole } from '../jobs/sweep.ts'
import { apiSeats, readUses } from '../matcher/uses.ts'
import { idleIndex } from '../matcher/idle-index.ts'
import { waitingIndex } from '../matcher/waiting-index.ts'
import type { Part } from '../matcher/window.ts'

/** What a process does of an installation's work. In any number of processes each; one may do all of it. */
export const processRoles = ['api', 'director', 'sweeper', 'dashboard'] as const
export type ProcessRole = (typeof processRoles)[number]

export type RuntimeOptions = {
  readonly roles: readonly ProcessRole[]
  /**
   * Who holds what only one process may do. A name of its own for each start of a process; only where no second process can
   * open the store it may be always the same, so that a restart need not wait for what the one before held.
   */
  readonly holder: string
  readonly store: Store
  readonly bus: Bus
  readonly clock: Clock
  readonly log: Log
  readonly sandbox: Sandbox
  readonly queuePolicy: QueuePolicy
  readonly director: Omit<DirectorOptions, 'store' | 'bus' | 'clock' | 'log' | 'holds' | 'images'>
  /** Whom to believe about images; absent: nobody. */
  readonly trust?: Trust
}

export type Runtime = Pick<RuntimeOptions, 'roles' | 'holder'> & {
  readonly queue: Queue
  readonly catalogue: Catalogue
  /** The names of the configured clouds. */
  readonly clouds: readonly string[]
  readonly director: Director
  readonly learn: Learn
  readonly sweep: Sweep
  /** Empty before the loops are started. */
  readonly holdings: Holdings
}

/** What this process holds of what only one may do. */
type Holdings = { seat?: Holding<ProcessSeat>; clouds?: Spread }

export async function buildRuntime(options: RuntimeOptions): Promise<Runtime> {
  const { roles, holder, store, bus, clock, log, sandbox, queuePolicy } = options
  const holdings: Holdings = {}
  const cloudNames = options.director.clouds.map(({ cloud }) => cloud.name)
  const failed = (what: string) => (error: unknown) => log.error({ err: error }, what)
  const waiting = roles.includes('api')
    ? waitingIndex({
        readNext: (classId, limit) => store.next(classId, limit),
        onReady: () => match.serveAll(),
        onError: failed('reading waiting jobs'),
        uses: await readUses(store, clock.nowMs()),
        seat: partOf(holdings),
      })
    : idleIndex(clock.nowMs())
  const match = matcher({
    store,
    waiting,
    clock,
    leaseMs: queuePolicy.leaseMs,
    onClaimed: (outcomes) => afterChange(queue, outcomes).catch(failed('after a claim')),
    onError: failed('claiming jobs'),
  })
  const queue: Queue = {
    store,
    bus,
    clock,
    log,
    sandbox,
    policy: queuePolicy,
    offerings: options.director.clouds.flatMap((cloud) => cloud.offerings),
    heldBack: (classId) => heldBack(store, cloudNames, classId),
    waiting,
    matcher: match,
    sessions: openSessions(bus),
  }
  if (roles.includes('api')) await learnAll(store, waiting)
  const catalogue = catalogueOf(options)
  return {
    roles,
    holder,
    holdings,
    queue,
    catalogue,
    clouds: cloudNames,
    director: director({
      ...options.director,
      store,
      bus,
      clock,
      log,
      holds: (cloud) => holdings.clouds?.now(cloudRole(cloud)),
      images: (names) => checkedImages(catalogue, names),
    }),
    learn: learn(queue, () => holdings.seat?.now()),
    sweep: sweep(queue),
  }
}

function catalogueOf({ store, bus, clock, trust = openTrust(), director: { clouds } }: RuntimeOptions): Catalogue {
  const sites = [...new Set(clouds.flatMap(({ offerings }) => offerings.map(({ site }) => site)))].sort()
  const uses = clouds.flatMap(({ startsImages, offerings }) => {
    const [first] = offerings
    if (!startsImages || !first) return []
    return [{ cloud: first.cloud, site: first.site, images: [...new Set(offerings.map(({ image }) => image))] }]
  })
  return { store, bus, clock, trust, uses, sites }
}

/** Where it is not known for sure, what was known last is as good: only a preference hangs on it. */
function partOf(holdings: Holdings): () => Part {
  let part: Part = { rank: 0, of: 1 }
  return () => {
    part = holdings.seat?.now() ?? part
    return part
  }
}

/** However many hints come, two steps have so much time between them: a step of the director reads every cloud. */
const directorLeastMs = 1000
const learnLeastMs = 200

type Stoppable = { stop(): Promise<void> | void }

/**
 * The loops of a process that has these roles, and the holding of what only one process may do at a time. Whoever stops them
 * lets all of it go, when nothing is done under it any more.
 */
export function startLoops(runtime: Runtime, directorEveryMs: number): { stop(): Promise<void> } {
  const starts: Readonly<Record<ProcessRole, () => readonly Stoppable[]>> = {
    api: () => startServing(runtime),
    director: () => startDirecting(runtime, directorEveryMs),
    sweeper: () => startSweeping(runtime),
    // It only looks, and what it changes is an operation of the queue.
    dashboard: () => [],
  }
  const started = runtime.roles.map((role) => starts[role]())
  return {
    async stop() {
      await Promise.all(
        started.map(async (parts) => {
          for (const part of parts) await part.stop()
        }),
      )
    },
  }
}

/** Each answers what is to be stopped, in this order. */
function startServing(runtime: Runtime): readonly Stoppable[] {
  const { store, clock, bus } = runtime.queue
  const { holder, holdings } = runtime
  const loop = loopOf(runtime, 'learning', learnEveryMs, learnLeastMs, () => runtime.learn.step())
  // Other processes change jobs too: what they made wait is learned at once, and by itself if the hint is lost.
  const deafen = bus.listen('waiting', (ids) => {
    runtime.learn.hint(ids)
    loop.wake()
  })
  holdings.seat = holdSeat({ store, clock, holder, ...apiSeats, onTurn: () => loop.wake(), onError: roleError(runtime) })
  return [{ stop: deafen }, loop, holdings.seat]
}

function startDirecting(runtime: Runtime, everyMs: number): readonly Stoppable[] {
  const { store, clock, bus, log } = runtime.queue
  const { holder, holdings, clouds, director: directing } = runtime
  const leastMs = Math.min(directorLeastMs, everyMs / 2)
  const loop = loopOf(runtime, 'director', everyMs, leastMs, async () => {
    // The first step has its clouds.
    await held.tried
    await directing.step()
  })
  const held = holdClouds({ store, bus, clock, log, holder, clouds, onTaken: () => loop.wake() })
  holdings.clouds = held
  const deafen = (['waiting', 'vms', 'images'] as const).map((kind) => ({ stop: bus.listen(kind, () => loop.wake()) }))
  return [...deafen, loop, { stop: () => directing.settled() }, held]
}

function startSweeping(runtime: Runtime): readonly Stoppable[] {
  const { store, clock } = runtime.queue
  const { holder, sweep: sweeping } = runtime
  const held = holdRole({ store, clock, holder, role: sweeperRole, onError: roleError(runtime) })
  return [loopOf(runtime, 'sweeper', sweepEveryMs, 0, () => sweeping.step(held.now())), held]
}

function loopOf({ queue }: Runtime, name: string, periodMs: number, leastMs: number, step: () => Promise<void>): Loop {
  const onError = (error: unknown): void => queue.log.error({ err: error }, `a step of the ${name} failed`)
  return startLoop({ clock: queue.clock, periodMs, leastMs, step, onError })
}

function roleError({ queue }: Runtime): (error: unknown) => void {
  return (error) => queue.log.warn({ err: error }, 'a role could not be renewed')
}
