/**
 * Machines that EC2 accepted and ended before they ran: a volume over a limit, a key that may not be used, no room after
 * all. EC2 lists such a machine as one that has ended, like any other, and its reason would be lost: it is listed as failed
 * instead, with the reason, until its end is asked for.
 *
 * Watched is what was made here, or listed as pending; one that is missing in a list is asked for by itself. After a start
 * of the service nothing is watched at first: such a machine is then only missing.
 */

import type { CloudVm } from '../../../../core/model/cloud.ts'
import { asFailedStart, findInstance } from './instances.ts'
import type { Ec2Options } from './options.ts'
import type { Session } from './session.ts'

export type FailedStarts = {
  watch(ref: string): void
  /** Its end is asked for. */
  forget(ref: string): void
  /** The list with those that failed since. */
  with(listed: readonly CloudVm[], signal: AbortSignal): Promise<readonly CloudVm[]>
}

/** The others are asked for with the next list. */
const maxAtOnce = 10
/** A new machine may be missing in some lists. One that is unknown for longer is only missing. */
const maxLists = 30

export function failedStarts(session: Session, options: Pick<Ec2Options, 'installation' | 'name'>): FailedStarts {
  /** By reference: lists that did not have it. */
  const watched = new Map<string, number>()
  const failed = new Map<string, CloudVm>()

  async function look(ref: string, signal: AbortSignal): Promise<void> {
    const instance = await findInstance(session, ref, `looking at ${ref}`, signal).catch(() => undefined)
    if (!watched.has(ref)) return
    const vm = instance && asFailedStart(options, instance)
    if (vm) failed.set(ref, vm)
    const lists = (watched.get(ref) ?? 0) + 1
    if (instance?.State?.Name === 'terminated' || lists > maxLists) watched.delete(ref)
    else watched.set(ref, lists)
  }

  return {
    watch: (ref) => void watched.set(ref, 0),
    forget(ref) {
      watched.delete(ref)
      failed.delete(ref)
    },
    async with(listed, signal) {
      for (const { ref, power } of listed) {
        if (power === 'building') watched.set(ref, 0)
        else watched.delete(ref)
      }
      const there = new Set(listed.map(({ ref }) => ref))
      const missing = [...watched.keys()].filter((ref) => !there.has(ref))
      await Promise.all(missing.slice(0, maxAtOnce).map((ref) => look(ref, signal)))
      return [...listed, ...[...failed.values()].filter(({ ref }) => !there.has(ref))]
    },
  }
}
