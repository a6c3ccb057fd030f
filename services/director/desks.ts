/**
 * The desks of a process, one for each cloud that it holds now, and what it knows of the clouds that others hold.
 */

import type { Fence } from '../../core/ports/store.ts'
import { type CloudNote, cloudNote, noteOf } from '../../core/plan/cloud-note.ts'
import { type Desk, openDesk } from './desk.ts'
import type { SerialQueue } from './serial-queue.ts'
import type { DirectorOptions } from './options.ts'

export type Desks = {
  /** A fresh one where the cloud was not ours under this fence before. */
  held(): Promise<readonly Desk[]>
  /** Resolves when no call to a cloud is under way. */
  settled(): Promise<void>
}

export function openDesks(options: DirectorOptions): Desks {
  const serialQueues = new Map<string, SerialQueue>(options.clouds.map(({ cloud }) => [cloud.name, {}]))
  const desks = new Map<string, Desk>()

  async function deskUnder(fence: Fence, directed: DirectorOptions['clouds'][number]): Promise<Desk> {
    const { name } = directed.cloud
    const known = desks.get(name)
    if (known?.fence.fence === fence.fence) return known
    const desk = await openDesk(options, directed, serialQueues.get(name) ?? {}, fence)
    desks.set(name, desk)
    return desk
  }

  return {
    async held() {
      return await Promise.all(
        options.clouds.flatMap((directed) => {
          const fence = options.holds(directed.cloud.name)
          return fence ? [deskUnder(fence, directed)] : []
        }),
      )
    },
    async settled() {
      await Promise.all([...serialQueues.values()].map(({ busy }) => busy))
    },
  }
}

export type OthersNotes = ReadonlyMap<string, CloudNote | undefined>

/** By cloud: what its holder noted last, for every configured cloud that is not held here. */
export async function readNotes({ clouds, store }: DirectorOptions, held: readonly Desk[]): Promise<OthersNotes> {
  const others = clouds.filter((directed) => !held.some((desk) => desk.directed === directed))
  const read = others.map(async ({ cloud: { name } }) => [name, noteOf(await store.note(cloudNote(name)))] as const)
  return new Map(await Promise.all(read))
}
