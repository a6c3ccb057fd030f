/**
 * The engines, built from ports: the one way that production, the simulator and the tests start Pilotage.
 *
 * Knows no adapter, no wire and no configuration file. Everything that repeats is a loop around a step here, and the steps
 * are there to be called without the loops.
 */

import { accountEveryMs, keepUsageRecordsMs } from '../../core/kernel/accounting-limits.ts'
import { offeredBy } from '../../core/model/cloud.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import type { ProcessRole } from '../../core/model/process-role.ts'
import { liveOutputLimits, processSkewMs, sweepEveryMs } from '../../core/kernel/limits.ts'
import { accountantRole, apiSeats, chargerSeats, type Seats, sweeperRole } from '../../core/model/roles.ts'
import type { Blobs } from '../../core/ports/blobs.ts'
import type { Bus } from '../../core/ports/bus.ts'
import type { LiveOutput } from '../../core/ports/live-output.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Sandbox } from '../../core/ports/sandbox.ts'
import type { Store } from '../../core/ports/store.ts'
import { openLedger, type UsageLedger } from '../../core/share/ledger.ts'
import { type Accountant, accountant } from '../accounting/account-facts.ts'
import type { ShareWeight } from '../../core/share/weights.ts'
import { chargeUsage } from '../accounting/charge-usage.ts'
import { exchangeUsage, publishInTurns, readUsage } from '../accounting/exchange-usage.ts'
import { shareWeights, type ShareWeights } from '../accounting/share-weights.ts'
import { type Loop, startLoop } from '../coordination/loop.ts'
import { type RoleLease, holdRole } from '../coordination/role-lease.ts'
import { holdSeat, type ProcessSeat } from '../coordination/seat.ts'
import type { Spread } from '../coordination/spread.ts'
import { type Director, director } from '../director/director.ts'
import { measuredSizes } from '../director/measured-sizes.ts'
import { blockedBy } from '../director/blocked-by.ts'
import { cloudRole, holdClouds } from '../director/hold-clouds.ts'
import type { DirectorOptions } from '../director/options.ts'
import { type Catalogue, checkedImages } from '../images/catalogue.ts'
import { openTrust, type Trust } from '../images/trust.ts'
import type { JobPolicy, JobPorts } from '../jobs/ports.ts'
import { reserve, type Reserve, reserveEveryMs } from '../jobs/reserve.ts'
import { sweep, type Sweep } from '../jobs/sweep.ts'
import { learn, type Learn, learnAll, learnEveryMs } from '../matcher/learn.ts'
import { type Matching, type MatchingPolicy, openMatching } from '../matcher/matching.ts'
import { outputRequests } from '../matcher/output-requests.ts'
import type { Part } from '../matcher/window.ts'
import { releasing } from '../outcomes/dependants.ts'
import { collectEveryMs, collection, type Collection } from '../sandboxes/collect.ts'
import { hintsTo } from '../outcomes/hints.ts'
import { openOutcomes } from '../outcomes/outcomes.ts'

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
  readonly live: LiveOutput
  readonly blobs: Blobs
  readonly policy: JobPolicy & MatchingPolicy
  /** Absent: equal weights, and use is forgotten by half in a day. */
  readonly shares?: SharePolicy
  readonly director: Omit<DirectorOptions, 'store' | 'bus' | 'clock' | 'log' | 'outcomes' | 'fenceOf' | 'images'>
  /** Whom to believe about images; absent: no endorser. */
  readonly trust?: Trust
}

/** How fast use is forgotten, and the weights of the share tree before operators change them. */
export type SharePolicy = { readonly halfLifeMs: number; readonly weights: readonly ShareWeight[] }

export type Runtime = Pick<RuntimeOptions, 'roles' | 'holder'> & {
  readonly jobs: JobPorts
  /** Of a process that serves pilots. */
  readonly matching?: Serving
  readonly catalogue: Catalogue
  /** The names of the configured clouds. */
  readonly clouds: readonly string[]
  readonly director: Director
  readonly sweep: Sweep
  readonly collection: Collection
  readonly accountant: Accountant
  readonly reserve: Reserve
  readonly ledger: UsageLedger
  readonly weights: ShareWeights
  /** Empty before the loops are started. */
  readonly roleLeases: RoleLeases
}

type Serving = Matching & { readonly learn: Learn }

/** What this process holds of what only one may do. */
type RoleLeases = { seat?: RoleLease<ProcessSeat>; clouds?: Spread }

export async function buildRuntime(options: RuntimeOptions): Promise<Runtime> {
  const { roles, holder, store, bus, clock, log, sandbox, blobs, live, policy } = options
  const roleLeases: RoleLeases = {}
  const ledger = openLedger(clock.nowMs(), options.shares?.halfLifeMs)
  const weights = shareWeights(store, options.shares?.weights ?? [])
  await weights.read()
  ledger.hear(await readUsage(store, clock.nowMs()), clock.nowMs())
  const outcomes = openOutcomes()
  const matching = roles.includes('api')
    ? await serving({ ...options, outcomes, ledger, weights, part: partOf(roleLeases) })
    : undefined
  outcomes.react(chargeUsage(ledger, clock))
  outcomes.react(hintsTo(bus))
  outcomes.react(
    releasing({ store, outcomes, clock }, (error) => log.warn({ err: error }, 'dependants are left to the sweeper')),
  )
  const clouds = options.director.clouds.map(({ cloud }) => cloud.name)
  const catalogue = catalogueOf(options)
  const jobs: JobPorts = {
    store,
    bus,
    clock,
    log,
    sandbox,
    live,
    blobs,
    outcomes,
    policy,
    offerings: options.director.clouds.flatMap((cloud) => cloud.offerings.map((one) => offeredBy(one, cloud))),
    measured: measuredSizes(store, clouds, clock),
    blocked: (classId) => blockedBy(store, clouds, classId),
  }
  return {
    roles,
    holder,
    roleLeases,
    ledger,
    weights,
    jobs,
    matching,
    catalogue,
    clouds,
    director: director({
      ...options.director,
      store,
      bus,
      clock,
      log,
      outcomes,
      fenceOf: (cloud) => roleLeases.clouds?.now(cloudRole(cloud)),
      images: (names) => checkedImages(catalogue, names),
    }),
    sweep: sweep(jobs),
    collection: collection(jobs),
    accountant: accountant({ store, clock, keepRecordsMs: policy.keepRecordsMs ?? keepUsageRecordsMs }),
    reserve: reserve({ ...jobs, ledger, weights: weights.now }),
  }
}

async function serving(options: Parameters<typeof openMatching>[0] & { readonly weights: ShareWeights }): Promise<Serving> {
  const matching = openMatching(options)
  matching.waiting.tick(options.weights.now(), matching.clock.nowMs())
  await learnAll(matching.store, matching.waiting)
  return { ...matching, learn: learn(matching) }
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
function partOf(roleLeases: RoleLeases): () => Part {
  let part: Part = { rank: 0, of: 1 }
  return () => {
    part = roleLeases.seat?.now() ?? part
    return part
  }
}

/** However many hints come, two steps have so much time between them: a step of the director reads every cloud. */
const minDirectorMs = 1000
const minLearnMs = 200
const minAskMs = 50

type Stoppable = { stop(): Promise<void> | void }

/**
 * The loops of a process that has these roles, and the leases of roles that one process at a time may have. A stop ends the
 * work first and then gives the leases back.
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
  const isCharging = runtime.roles.includes('director') || runtime.roles.includes('sweeper')
  if (!runtime.matching && isCharging) started.push(startChargingAlone(runtime))
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
  const { matching, roleLeases } = runtime
  if (!matching) return []
  const { bus, learn: learning } = matching
  const { live, clock } = runtime.jobs
  const requests = outputRequests(live, matching.streams, clock)
  const asking = loopOf(runtime, 'asking for outputs', liveOutputLimits.jobEveryMs, minAskMs, () => requests.step())
  const deafenAsking = bus.listen('outputs', () => asking.wake())
  const loop = loopOf(runtime, 'learning', learnEveryMs, minLearnMs, () => learning.step())
  // Other processes change jobs too: what they made wait is learned at once, and by itself if the hint is lost.
  const deafen = bus.listen('waiting', (ids) => {
    learning.hint(ids)
    loop.wake()
  })
  roleLeases.seat = seatIn(runtime, apiSeats, () => loop.wake())
  const stops = [{ stop: deafen }, { stop: deafenAsking }, loop, asking]
  return [...stops, ...startShares(runtime, matching), ...startCharging(runtime, roleLeases.seat), roleLeases.seat]
}

const exchangeEveryMs = 30_000

/** The weights of shares are read, running attempts counted and weights corrected so often. */
const shareTickMs = 10_000

function startShares(runtime: Runtime, { waiting, streams, clock }: Serving): readonly Stoppable[] {
  const { weights, ledger } = runtime
  const step = async (): Promise<void> => {
    await weights.read()
    await publishInTurns(clock, ledger, ledger.running(streams.running(), clock.nowMs()))
    waiting.tick(weights.now(), clock.nowMs())
  }
  return [loopOf(runtime, 'shares', shareTickMs, 0, step)]
}

/** What this process charges is handed on under its seat: at once under a new one. */
function startCharging(runtime: Runtime, seat: RoleLease<ProcessSeat>): readonly Stoppable[] {
  const { jobs, ledger } = runtime
  const { store, clock } = jobs
  const usage = exchangeUsage(store, ledger, clock)
  let exchangedMs = clock.monotonicMs()
  return [
    loopOf(runtime, 'exchange of usage', sweepEveryMs, 0, async () => {
      const nowMs = clock.monotonicMs()
      if (nowMs - exchangedMs < exchangeEveryMs && !usage.isNew(seat.now())) return
      exchangedMs = nowMs
      await usage.exchange(seat.now(), clock.nowMs())
    }),
  ]
}

/** A process that ends attempts and serves no pilots. */
function startChargingAlone(runtime: Runtime): readonly Stoppable[] {
  const seat = seatIn(runtime, chargerSeats)
  return [...startCharging(runtime, seat), seat]
}

function seatIn(runtime: Runtime, { prefix, max }: Seats, onTurn?: () => void): RoleLease<ProcessSeat> {
  const { store, clock } = runtime.jobs
  return holdSeat({ store, clock, holder: runtime.holder, prefix, max, onTurn, onError: roleError(runtime) })
}

function startDirecting(runtime: Runtime, everyMs: number): readonly Stoppable[] {
  const { store, clock, bus, log } = runtime.jobs
  const { holder, roleLeases, clouds, director: directing } = runtime
  const minMs = Math.min(minDirectorMs, everyMs / 2)
  const loop = loopOf(runtime, 'director', everyMs, minMs, async () => {
    // The first step has its clouds.
    await held.tried
    await directing.step()
  })
  const held = holdClouds({ store, bus, clock, log, holder, clouds, onTaken: () => loop.wake() })
  roleLeases.clouds = held
  const deafen = (['waiting', 'vms', 'images'] as const).map((kind) => ({ stop: bus.listen(kind, () => loop.wake()) }))
  return [...deafen, loop, { stop: () => directing.settled() }, held]
}

function startSweeping(runtime: Runtime): readonly Stoppable[] {
  const { store, clock } = runtime.jobs
  const { holder, sweep: sweeping, collection: collecting, reserve: reserving, accountant: accounting } = runtime
  const reserveMs = Math.min(reserveEveryMs, runtime.jobs.policy.reserveAfterMs / 2)
  const held = holdRole({ store, clock, holder, role: sweeperRole, maxSkewMs: processSkewMs, onError: roleError(runtime) })
  const accountingHeld = holdRole({ store, clock, holder, role: accountantRole, onError: roleError(runtime) })
  return [
    loopOf(runtime, 'sweeper', sweepEveryMs, 0, () => sweeping.step(held.now())),
    loopOf(runtime, 'collection of files', collectEveryMs, 0, () => collecting.step(held.now())),
    loopOf(runtime, 'reserving', reserveMs, 0, () => reserving.step(held.now())),
    loopOf(runtime, 'accounting', accountEveryMs, 0, () => accounting.step(accountingHeld.now())),
    held,
    accountingHeld,
  ]
}

function loopOf({ jobs }: Runtime, name: string, periodMs: number, minMs: number, step: () => Promise<void>): Loop {
  const onError = (error: unknown): void => jobs.log.error({ err: error }, `a step of the ${name} failed`)
  return startLoop({ clock: jobs.clock, periodMs, minMs, step, onError })
}

function roleError({ jobs }: Runtime): (error: unknown) => void {
  return (error) => jobs.log.warn({ err: error }, 'a role could not be renewed')
}
