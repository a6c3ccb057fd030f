/**
 * What the processes of the bench of sandboxes send each other, the service of it, and the process of its machines: the
 * one that moves files for all VMs. Other machines have their own processors: this one takes what the service leaves.
 */

import { createHash } from 'node:crypto'
import { on } from 'node:events'
import { constants, setPriority } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { openUplink, type Uplink } from '../agents/kit/uplink.ts'
import { systemClock } from '../core/kernel/clock.ts'
import type { AttemptRef, VmId } from '../core/kernel/ids.ts'
import { outputChunkBytes } from '../core/kernel/limits.ts'
import { fileBlobs } from '../services/adapters/sandbox/files/file-blobs.ts'
import { openSqliteStore } from '../services/adapters/store/sqlite/sqlite-store.ts'
import { activeVm, alice } from '../sim/samples.ts'
import { startApiInParts } from '../test/support/api-in-parts.ts'

export type Place = { readonly server: string; readonly user: string; readonly vms: readonly (readonly [VmId, string])[] }

/** Of the service since the one before: how late its event loop was, and the processor's time that all its threads took. */
export type Mark = { readonly lateP95Ms: number; readonly lateP99Ms: number; readonly cpuSeconds: number }

export type Moves = {
  readonly server: string
  readonly fileBytes: number
  readonly vms: readonly { readonly credential: string; readonly carrier: AttemptRef }[]
}

const clock = systemClock()

/** Answers each message with a mark. */
export async function serve(dir: string, vms: number): Promise<void> {
  const store = await openSqliteStore(join(dir, 'bench.db'), clock)
  const api = await startApiInParts({ store, clock, blobs: fileBlobs(join(dir, 'files')) })
  const ids = Array.from({ length: vms }, (_, at) => `b${String(at).padStart(9, '0')}`)
  const places: [VmId, string][] = []
  for (const id of ids) {
    const vm = activeVm(id, { endByMs: clock.nowMs() + 3_600_000 })
    await store.intend(vm, clock.nowMs())
    places.push([vm.id, await api.tokenFor({ kind: 'vm', vmId: vm.id })])
  }
  const late = monitorEventLoopDelay({ resolution: 1 })
  late.enable()
  let cpu = process.cpuUsage()
  const user = await api.tokenFor({ kind: 'user', owner: alice, roles: ['user'] })
  process.send?.({ server: api.server, user, vms: places } satisfies Place)
  for await (const _ of on(process, 'message')) {
    const { user, system } = process.cpuUsage(cpu)
    const [lateP95Ms, lateP99Ms] = [late.percentile(95) / 1e6, late.percentile(99) / 1e6]
    process.send?.({ lateP95Ms, lateP99Ms, cpuSeconds: (user + system) / 1e6 } satisfies Mark)
    cpu = process.cpuUsage()
    late.reset()
  }
}

/** Moves the files of all VMs at once, each down and up, as pilots do: a round for each message, and then answers. */
export async function moveFiles(): Promise<void> {
  setPriority(constants.priority.PRIORITY_LOW)
  const uplinks = new Map<string, Uplink>()
  let round = 0
  for await (const [message] of on(process, 'message', { close: ['disconnect'] })) {
    const { server, fileBytes, vms } = message as Moves
    round += 1
    await Promise.all(
      vms.map(async ({ credential, carrier }, at) => {
        const uplink = uplinks.get(credential) ?? openUplink({ clock, endpoint: server, credential })
        uplinks.set(credential, uplink)
        // Content of its own, so that each is stored: names of one length, or one could be the beginning of another.
        await move(uplink, carrier, fileBytes, `out-${[round, at].map((part) => String(part).padStart(6, '0')).join('-')}`)
      }),
    )
    process.send?.('moved')
  }
  for (const uplink of uplinks.values()) uplink.close()
}

async function move(uplink: Uplink, carrier: AttemptRef, fileBytes: number, path: string): Promise<void> {
  const { signal } = new AbortController()
  const data = Buffer.alloc(fileBytes)
  let bytes = 0
  for await (const piece of uplink.fetchInput(carrier, 'input', signal)) {
    data.set(piece, bytes)
    bytes += piece.length
  }
  if (bytes !== fileBytes) throw new Error(`${bytes} bytes came`)
  data.write(path)
  const file = { path, digest: digestOf(data), bytes, executable: false }
  await uplink.putOutputFile(carrier, file, pieces(data), signal)
}

export function digestOf(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

export async function* pieces(data: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += outputChunkBytes) yield data.subarray(at, at + outputChunkBytes)
}
