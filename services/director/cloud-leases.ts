/**
 * The cloud leases of a process, one per cloud whose role it has now, and what it knows of the clouds of other directors.
 */

import type { Fence } from '../../core/ports/store.ts'
import { type CloudNote, cloudNote, noteOf } from '../../core/plan/cloud-note.ts'
import { type CloudLease, openCloudLease } from './cloud-lease.ts'
import type { SerialQueue } from './serial-queue.ts'
import type { DirectorOptions } from './options.ts'

export type CloudLeases = {
  /** A cloud whose role has a new fence gets a fresh lease. */
  current(): Promise<readonly CloudLease[]>
  /** Resolves when no call to a cloud is under way. */
  settled(): Promise<void>
}

export function openCloudLeases(options: DirectorOptions): CloudLeases {
  const serialQueues = new Map<string, SerialQueue>(options.clouds.map(({ cloud }) => [cloud.name, {}]))
  const cloudLeases = new Map<string, CloudLease>()

  async function leaseUnder(fence: Fence, directed: DirectorOptions['clouds'][number]): Promise<CloudLease> {
    const { name } = directed.cloud
    const known = cloudLeases.get(name)
    if (known?.fence.fence === fence.fence) return known
    const cloudLease = await openCloudLease(options, directed, serialQueues.get(name) ?? {}, fence)
    cloudLeases.set(name, cloudLease)
    return cloudLease
  }

  return {
    async current() {
      return await Promise.all(
        options.clouds.flatMap((directed) => {
          const fence = options.fenceOf(directed.cloud.name)
          return fence ? [leaseUnder(fence, directed)] : []
        }),
      )
    },
    async settled() {
      await Promise.all([...serialQueues.values()].map(({ busy }) => busy))
    },
  }
}

export type OthersNotes = ReadonlyMap<string, CloudNote | undefined>

/** By cloud: the last note of its holder, for every configured cloud whose role another process has. */
export async function readNotes({ clouds, store }: DirectorOptions, leases: readonly CloudLease[]): Promise<OthersNotes> {
  const others = clouds.filter((directed) => !leases.some((cloudLease) => cloudLease.directed === directed))
  const read = others.map(async ({ cloud: { name } }) => [name, noteOf(await store.note(cloudNote(name)))] as const)
  return new Map(await Promise.all(read))
}
