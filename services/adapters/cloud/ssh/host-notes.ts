/**
 * What all directors know of the hosts of a cloud: the key that each had when it was first met, and which VM it is claimed
 * for. One document among the store's notes; a claim is written here before a host is touched, and leaves it last.
 *
 * Notes that cannot be read are an error, never empty: a host that is missing in them would be taken for free. Changes of
 * one process follow each other; of processes, only the holder of the cloud writes.
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
export type NotesByHost = ReadonlyMap<string, HostNote>

export type HostNotes = {
  read(): Promise<NotesByHost>
  /** `change` gets a host's note and gives the new one, or undefined for none; what it leaves as it is is not written. */
  change(host: string, change: (note: HostNote) => HostNote): Promise<void>
}

export function openHostNotes(keep: DriverNotes, cloud: string): HostNotes {
  const name = `ssh-hosts:${cloud}`
  const doing = `the notes on the hosts of ${cloud}`
  let last: Promise<unknown> = Promise.resolve()

  async function read(): Promise<NotesByHost> {
    const text = await keep.read(name).catch((cause: unknown) => {
      throw new PilotageError('cloud-transient', `${doing} cannot be read`, { cause })
    })
    return parsedNotes(text, doing)
  }

  async function apply(host: string, change: (note: HostNote) => HostNote): Promise<void> {
    const noted = await read()
    const before = noted.get(host) ?? {}
    const after = change(before)
    if (after === before) return
    const all = Object.fromEntries([...noted, [host, after]])
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

function parsedNotes(text: string | undefined, doing: string): NotesByHost {
  if (text === undefined) return new Map()
  try {
    const noted = new Map(Object.entries(JSON.parse(text) as Record<string, HostNote>))
    for (const { claim } of noted.values()) if (claim && !isVmId(claim.vmId)) throw new Error('not a VM id')
    return noted
  } catch (cause) {
    throw new PilotageError('cloud-transient', `${doing} cannot be read`, { cause })
  }
}
