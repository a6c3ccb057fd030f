/**
 * The central service as a process that dies and comes back: each life builds the real runtime anew over the same store and
 * the same clouds, and serves until it is killed.
 *
 * Stands in for the gRPC edge: it finds the operation for a call, keeps one stream a VM, and drops what a dead life was
 * about to answer. Decides nothing that the operations do not decide.
 */

import { memoryLiveOutput } from '../services/adapters/live-output/memory/memory-live-output.ts'
import { memoryBlobs } from '../services/adapters/sandbox/memory/memory-blobs.ts'
import type { SimService, Life } from './life.ts'
import { trusting } from './trusting-cloud.ts'
import type { Rule } from './switches.ts'
import type { ChargeBooks } from './charges.ts'
import { assert } from '../core/kernel/assert.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import { leaseMs, renewEveryMs } from '../core/kernel/limits.ts'
import type { Log } from '../core/ports/log.ts'
import type { Sandbox } from '../core/ports/sandbox.ts'
import type { Store } from '../core/ports/store.ts'
import { localBus } from '../services/adapters/bus/local/local-bus.ts'
import { directorDefaults } from '../services/director/options.ts'
import { processRoles } from '../core/model/process-role.ts'
import { buildRuntime, type Runtime, type RuntimeOptions, startLoops } from '../services/run/runtime.ts'
import { cloudView, type SimCloud, userDataOf } from './clouds.ts'
import type { Ground } from './ground.ts'
import { type SimProcess, simProcess } from './process.ts'
import { type StoreView, storeView } from './store-view.ts'
import type { Switchboard } from './switchboard.ts'

export type SimServiceOptions = {
  readonly ground: Ground
  readonly truth: Store
  readonly clouds: readonly SimCloud[]
  readonly switchboard: Switchboard
  readonly charges: ChargeBooks
  /** The rule that the run does without. */
  readonly without?: Rule
}

const directorEveryMs = 10_000

export function startSimService(options: SimServiceOptions): SimService {
  const { ground, truth, switchboard, charges } = options
  const { timeline, trace, toll, dice } = ground
  let process: SimProcess | undefined
  let life: Life | undefined
  let view: StoreView | undefined

  function start(): void {
    const born = simProcess({ timeline, skewMs: () => ground.clock.aheadMs })
    const seen = storeView(truth, born, ground)
    process = born
    view = seen
    trace.note({}, 'the service starts')
    buildRuntime(runtimeOptions(options, born, charges.watched(seen.store, born))).then(
      (runtime) => {
        if (!born.isAlive()) return
        life = begun(options, born, runtime)
        startLoops(runtime, directorEveryMs)
        trace.note({}, 'the service is ready')
      },
      // As a supervisor does: a start that failed is tried again.
      () => {
        if (born.isAlive()) kill(1000)
      },
    )
  }

  function kill(downMs: number): void {
    process?.kill()
    life = undefined
    switchboard.dropAll(dice.between(0, 2000))
    trace.note({}, `the service is dead for ${Math.round(downMs)} ms`)
    timeline.after(downMs, () => {
      reopen(truth).then(start)
    })
  }

  start()
  return {
    ask(act, done) {
      const serving = life
      if (!serving?.process.isAlive()) {
        done({ ok: false, error: new PilotageError('unavailable', 'the service is down') })
        return
      }
      serving.process.deliver(0, () => {
        act(serving.jobs).then(
          (value) => done({ ok: true, value }),
          (error: unknown) => done({ ok: false, error }),
        )
      })
    },
    life: () => life,
    kill(downMs) {
      // One process at a time: who is dead already comes back when it was to.
      if (!process?.isAlive()) return
      toll.serviceKills += 1
      kill(downMs)
    },
    stall(ms) {
      toll.stalls += 1
      trace.note({}, `the service stands still for ${Math.round(ms)} ms`)
      process?.stall(ms)
    },
    crawl(ms) {
      view?.crawl(ms)
    },
  }
}

function begun({ charges, without }: SimServiceOptions, process: SimProcess, { jobs, matching, ledger }: Runtime): Life {
  assert(matching !== undefined, 'the simulated service serves pilots')
  charges.audit(jobs.outcomes, ledger, without === 'charge')
  return { process, jobs, matching, isForgetful: without === 'leave' }
}

/** A new process opens the database anew. In memory the same is had by a call that fails: all that is derived is rebuilt. */
async function reopen(truth: Store): Promise<void> {
  await truth.note(undefined as unknown as string).catch(() => undefined)
}

function runtimeOptions({ ground, clouds, without }: SimServiceOptions, process: SimProcess, store: Store): RuntimeOptions {
  const seen = (cloud: SimCloud['directed']['cloud']) => {
    const view = cloudView(cloud, process)
    return without === 'confirm-delete' ? trusting(view) : view
  }
  const { clock } = process
  return {
    store,
    bus: localBus(clock),
    clock,
    log: auditedLog(ground),
    sandbox: simSandbox(),
    live: memoryLiveOutput(),
    blobs: memoryBlobs(),
    roles: processRoles,
    holder: 'only',
    policy: { leaseMs, renewEveryMs, keepEndedMs: Infinity, reserveAfterMs: 30_000 },
    director: {
      random: ground.dice.random,
      clouds: clouds.map(({ directed }) => ({ ...directed, cloud: seen(directed.cloud) })),
      services: [],
      render: userDataOf,
      policy: directorDefaults,
    },
  }
}

/** The world's failures are expected here and have a code; anything else is a bug of ours. */
export function auditedLog({ violations, trace }: Pick<Ground, 'violations' | 'trace'>): Log {
  const silent = (): void => {}
  const log: Log = {
    debug: silent,
    info: silent,
    warn: silent,
    error(fields, message) {
      const error = fields.err ?? fields.error
      trace.note({}, `error: ${message}: ${error instanceof Error ? error.message : JSON.stringify(fields)}`)
      const isExpected = error instanceof PilotageError && error.code !== 'internal' && error.code !== 'store-failed'
      // A machine that its cloud does not end: people are called, and nothing of ours has failed.
      const isCallForPeople = error === undefined && fields.ref !== undefined && fields.tries !== undefined
      violations.check(
        isExpected || isCallForPeople,
        'noBug',
        {},
        () => `${message}: ${error instanceof Error ? error.stack : String(error)}`,
      )
    },
    with: () => log,
  }
  return log
}

export function simSandbox(): Sandbox {
  return { keep: async () => 0, read: async () => undefined, forget: async () => undefined }
}
