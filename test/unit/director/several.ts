/**
 * Several directors over one world: each is the real runtime of a process with that role alone, behind a way of its own to
 * the store and to the clouds, which a test can slow, freeze and cut.
 */

import { memoryLiveOutput } from '../../../services/adapters/live-output/memory/memory-live-output.ts'
import { memoryBlobs } from '../../../services/adapters/sandbox/memory/memory-blobs.ts'
import type { Bus } from '../../../core/ports/bus.ts'
import type { Cloud } from '../../../core/ports/cloud.ts'
import { silentLog } from '../../../core/ports/log.ts'
import type { Sandbox } from '../../../core/ports/sandbox.ts'
import { localBus } from '../../../services/adapters/bus/local/local-bus.ts'
import { cloudRole } from '../../../services/director/hold-clouds.ts'
import { buildRuntime, startLoops } from '../../../services/run/runtime.ts'
import { type Path, troubledPath } from '../../support/troubled-path.ts'
import { periodMs, type World } from './world.ts'

export type Call = { readonly atMs: number; readonly cloud: string; readonly kind: 'create' | 'destroy' | 'list' }

export type Member = {
  readonly name: string
  readonly path: Path
  /** What it has asked of the clouds, in order. */
  readonly calls: readonly Call[]
  /** The clouds that it may act on now. */
  holds(): readonly string[]
  /** The process ends in order. */
  stop(): Promise<void>
}

export type Several = { readonly bus: Bus; join(name: string): Promise<Member> }

export function several(world: World): Several {
  const bus = localBus(world.clock)
  return { bus, join: (name) => join(world, bus, name) }
}

async function join(world: World, bus: Bus, name: string): Promise<Member> {
  const { clock, options } = world
  const path = troubledPath(clock)
  const calls: Call[] = []
  const clouds = options.clouds.map((directed) => ({ ...directed, cloud: heard(path.view(directed.cloud), calls, clock) }))
  const runtime = await buildRuntime({
    roles: ['director'],
    holder: name,
    store: path.view(world.store),
    bus,
    clock: path.clock,
    log: silentLog(),
    sandbox: noSandbox,
    live: memoryLiveOutput(),
    blobs: memoryBlobs(),
    policy: { leaseMs: 90_000, renewEveryMs: 25_000, keepEndedMs: Infinity, reserveAfterMs: 300_000 },
    director: { ...options, clouds },
  })
  const loops = startLoops(runtime, periodMs)
  return {
    name,
    path,
    calls,
    holds: () =>
      path.isFrozen()
        ? []
        : runtime.clouds.filter((cloud) => runtime.roleLeases.clouds?.now(cloudRole(cloud)) !== undefined),
    stop: () => loops.stop(),
  }
}

function heard(cloud: Cloud, calls: Call[], clock: World['clock']): Cloud {
  const note = (kind: Call['kind']): void => void calls.push({ atMs: clock.nowMs(), cloud: cloud.name, kind })
  return {
    name: cloud.name,
    create(order) {
      note('create')
      return cloud.create(order)
    },
    list() {
      note('list')
      return cloud.list()
    },
    destroy(ref) {
      note('destroy')
      return cloud.destroy(ref)
    },
    consoleLog: (ref) => cloud.consoleLog(ref),
    quota: () => cloud.quota(),
  }
}

const noSandbox: Sandbox = { keep: async () => 0, read: async () => undefined, forget: async () => undefined }
