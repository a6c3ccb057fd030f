/**
 * Contextualize: a new VM's record and the order for it. The one place where an activation key is made.
 *
 * The key is in the rendered user data and nowhere else; the record keeps its hash. So an order that is lost cannot be made
 * again, and its VM is given up instead.
 */

import { createHash } from 'node:crypto'
import type { Offering } from '../../core/model/cloud.ts'
import { newVmId } from '../../core/kernel/ids.ts'
import type { VmOrder } from '../../core/ports/cloud.ts'
import type { Reference } from '../../core/model/reference.ts'
import type { Vm } from '../../core/model/vm.ts'
import type { DirectedCloud, DirectorOptions } from './options.ts'

/** 160 random bits. */
const keyLength = 32

/** As it stands in a VM's record: sha256, in hex. */
export function activationHash(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

/** `reason`: why it is wanted. `squids`: its site's that serve now. */
export type Wanted = { readonly reason: string; readonly squids: readonly string[] }
/** How the cloud calls the image; absent where machines are made from none. */
type Named = { readonly imageRef?: Reference }

/** Throws what `render` throws. */
export function contextualize(
  { lifeMs, bootMs }: DirectedCloud,
  offering: Offering,
  { reason, squids, imageRef }: Wanted & Named,
  { random, render, policy }: DirectorOptions,
  nowMs: number,
): { readonly vm: Vm; readonly order: VmOrder } {
  const id = newVmId(random)
  const activationKey = random.letters(keyLength)
  const endByMs = nowMs + lifeMs
  const vm: Vm = {
    ...offering,
    id,
    phase: { state: 'Intended' },
    reason,
    intendedMs: nowMs,
    changedMs: nowMs,
    endByMs,
    activation: {
      keyHash: activationHash(activationKey),
      // A cloud that is given longer to boot must be given a key that lasts as long.
      untilMs: nowMs + Math.max(policy.activationKeepMs, bootMs),
    },
  }
  const userData = render({ vmId: id, activationKey, endByMs }, offering, squids)
  return { vm, order: { vmId: id, shape: offering, imageRef, userData } }
}
