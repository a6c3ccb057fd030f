/**
 * What all directors know of the hosts of a cloud: the key that each had when it was first met, and which VM it is claimed for.
 * One document among the store's notes; a claim is written here before a host is touched, and leaves it last.
 *
 * A book that cannot be read is an error, never an empty one: what is missing in it would be taken for free. Changes of one
 * process follow each other; of processes, only the holder of the cloud writes.
 */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import { isVmId, type VmId } from '../../../../core/kernel/ids.ts'
import type { CloudVm } from '../../../../core/model/cloud.ts'
import type { DriverNotes } from '../kit/driver.ts'

export type HostNote = {
  readonly hostKey?: string
  readonly claim?: {
    readonly vmId: VmId
    readonly sinceMs: number
    /** As it was last known. */
    readonly power: CloudVm['power']
  }
}

/** By `address:port`. */
export type Pages = ReadonlyMap<string, HostNote>

export type Book = {
  read(): Promise<Pages>
  /** `change` gets a host's note and gives the new one, or undefined for none; what it leaves as it is is not written. */
  change(host: string, change: (note: HostNote) => HostNote): Promise<void>
}

export function openBook(keep: DriverNotes, cloud: string): Book {
  const name = `ssh-hosts:${cloud}`
  const doing = `the notes on the hosts of ${cloud}`
  let last: Promise<unknown> = Promise.resolve()

  async function read(): Promise<Pages> {
    const text = await keep.read(name).catch((cause: unknown) => {
      throw new PilotageError('cloud-transient', `${doing} cannot be read`, { cause })
    })
    return pagesOf(text, doing)
  }

  async function apply(host: string, change: (note: HostNote) => HostNote): Promise<void> {
    const pages = await read()
    const before = pages.get(host) ?? {}
    const after = change(before)
    if (after === before) return
    const all = Object.fromEntries([...pages, [host, after]])
    await keep.write(name, JSON.stringify(all)).catch((cause: unknown) => {
      throw new PilotageError('cloud-transient', `${doing} cannot be written`, { cause })
    })
  }

  return {
    read,
    change(host, change) {
      const turn = last.then(() => apply(host, change))
      last = turn.catch(() => undefined)
      return turn
    },
  }
}

function pagesOf(text: string | undefined, doing: string): Pages {
  if (text === undefined) return new Map()
  try {
    const pages = new Map(Object.entries(JSON.parse(text) as Record<string, HostNote>))
    for (const { claim } of pages.values()) if (claim && !isVmId(claim.vmId)) throw new Error('not a VM id')
    return pages
  } catch (cause) {
    throw new PilotageError('cloud-transient', `${doing} cannot be read`, { cause })
  }
}
