/**
 * The engines, built from ports: the one way that production, the simulator and the tests come to a running Pilotage.
 *
 * Knows no adapter, no wire and no configuration file. Everything that repeats is a loop around a step here, and the steps are
 * there to be called without the loops.
 */

import type { Clock } from '../core/clock.ts'
import { sweepEveryMs } from '../core/limits.ts'
import { type Loop, startLoop } from '../core/loop.ts'
import type { Bus } from '../core/ports/bus.ts'
import type { Log } from '../core/ports/log.ts'
import type { Sandbox } from '../core/ports/sandbox.ts'
import type { Store } from '../core/ports/store.ts'
import { type Director, director } from './director/director.ts'
import type { DirectorOptions } from './director/options.ts'
import { matcher } from './queue/matcher.ts'
import { afterChange } from './queue/after-change.ts'
import type { Queue, QueuePolicy } from './queue/queue.ts'
import { openSessions } from './queue/sessions.ts'
import { readUses, sweep, type Sweep } from './queue/sweep.ts'
import { waitingIndex } from './queue/waiting-index.ts'

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
  readonly director: Omit<DirectorOptions, 'store' | 'bus' | 'clock' | 'log'>
}

export type Runtime = Pick<RuntimeOptions, 'roles' | 'holder'> & {
  readonly queue: Queue
  readonly director: Director
  readonly sweep: Sweep
}

export async function buildRuntime(options: RuntimeOptions): Promise<Runtime> {
  const { store, bus, clock, log, sandbox, queuePolicy } = options
  const failed = (what: string) => (error: unknown) => log.error({ err: error }, what)
  const waiting = waitingIndex({
    readNext: (classId, limit) => store.next(classId, limit),
    onReady: () => match.serveAll(),
    onError: failed('reading waiting jobs'),
    uses: await readUses(store, clock.nowMs()),
  })
  const match = matcher({
    store,
    waiting,
    clock,
    leaseMs: queuePolicy.leaseMs,
    onClaimed: (outcomes) => afterChange(queue, outcomes).catch(failed('after a claim')),
    onError: failed('claiming jobs'),
  })
  const offerings = options.director.clouds.flatMap((cloud) => cloud.offerings)
  const queue: Queue = {
    store,
    bus,
    clock,
    log,
    sandbox,
    policy: queuePolicy,
    offerings,
    waiting,
    matcher: match,
    sessions: openSessions(bus),
  }
  waiting.learn(await store.queues())
  const { roles, holder } = options
  return { roles, holder, queue, director: director({ ...options.director, store, bus, clock, log }), sweep: sweep(queue) }
}

/** However many hints come, two steps have so much time between them: a step of the director reads every cloud. */
const directorLeastMs = 1000
const sweepLeastMs = 200

/** The loops of a process that has these roles. */
export function startLoops(
  { roles, queue, director: directing, sweep: sweeping }: Runtime,
  directorEveryMs: number,
): { stop(): Promise<void> } {
  const { clock, log, bus } = queue
  const loop = (name: string, periodMs: number, leastMs: number, step: () => Promise<void>): Loop =>
    startLoop({
      clock,
      periodMs,
      leastMs,
      step,
      onError: (error) => log.error({ err: error }, `a step of the ${name} failed`),
    })
  const loops: Loop[] = []
  const stopListening: (() => void)[] = []
  if (roles.includes('director')) {
    const leastMs = Math.min(directorLeastMs, directorEveryMs / 2)
    const directorLoop = loop('director', directorEveryMs, leastMs, async () => void (await directing.step()))
    loops.push(directorLoop)
    stopListening.push(
      bus.listen('waiting', () => directorLoop.wake()),
      bus.listen('vms', () => directorLoop.wake()),
    )
  }
  if (roles.includes('sweeper') || roles.includes('api')) {
    const sweepLoop = loop('sweeper', sweepEveryMs, sweepLeastMs, () => sweeping.step())
    loops.push(sweepLoop)
    // Other processes change jobs too: what they made wait is learned at once, and by the sweep if the hint is lost.
    stopListening.push(bus.listen('waiting', () => sweepLoop.wake()))
  }
  return {
    async stop() {
      for (const stop of stopListening) stop()
      await Promise.all(loops.map((one) => one.stop()))
      await directing.settled()
    },
  }
}
