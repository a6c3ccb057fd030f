/**
 * Create: from a line of the plan to a machine. The intent is in the store before the cloud is asked.
 *
 * A refusal that is sure ends the record. An unknown outcome leaves it Intended: the next list shows whether the machine is
 * there, and only then it is asked for again, with the same id.
 *
 * All of it happens under the role lease: the store takes the intent under the fence only, and the lease is checked right
 * before the call to the cloud. One thing remains possible: a call that began under the lease reaches the cloud after the
 * lease is lost, because this process or the network stalled. There are at most `policy.calls` of these at a time, each for
 * one id. The next holder reads the intents after it has taken the role, so it counts every such machine against the limits.
 * It gives an intent up only on a list that began `settleMs` after it took the role, by default longer than any driver lets
 * a call last. A machine that appears before that is found by its id and used. The record of a machine that appears even
 * later has ended: the machine is destroyed as an orphan with the next list, and counts against the limits until then.
 * Nothing is made twice for one id, because no other process has the order.
 */

import type { CloudFailure, Offering } from '../../core/model/cloud.ts'
import { asPilotageError, type ErrorCode } from '../../core/kernel/errors.ts'
import type { VmOrder } from '../../core/ports/cloud.ts'
import type { Vm } from '../../core/model/vm.ts'
import { contextualize, type Wanted } from './contextualize.ts'
import type { CloudLease } from './cloud-lease.ts'
import { admit } from './image-gate.ts'
import type { DirectorOptions } from './options.ts'
import { record } from './record.ts'

export type CloudHand = CloudLease & { readonly options: DirectorOptions }

export async function createVm(hand: CloudHand, offering: Offering, wanted: Wanted): Promise<void> {
  const { options, directed, breakers, fence } = hand
  const { store, clock, log } = options
  const nowMs = clock.nowMs()
  // Another create of this step may have failed since the plan was made.
  if (breakers.isOpen(offering, nowMs)) return
  const admission = await admit(directed, offering, options)
  if (!admission.ok) {
    log.warn({ cloud: offering.cloud, image: offering.image, why: admission.why }, 'no VM from this image any more')
    return
  }
  let made: { readonly vm: Vm; readonly order: VmOrder }
  try {
    made = contextualize(directed, offering, { ...wanted, imageRef: admission.imageRef }, options, nowMs)
  } catch (thrown) {
    const { message } = asPilotageError(thrown, 'rendering the context')
    log.error({ cloud: offering.cloud, flavor: offering.flavor, image: offering.image, message }, 'no context for a VM')
    breakers.failed(offering, 'refused', message, nowMs)
    return
  }
  // Refused where the cloud has passed on, or where the id is taken, which is one in 2^50: the next plan makes another.
  if (await store.intend(made.vm, nowMs, fence)) await askFor(hand, made.vm, made.order)
}

/** Asks for a VM that was asked for before and never seen. */
export async function createAgain(hand: CloudHand, vm: Vm): Promise<void> {
  const order = hand.memory.orders.get(vm.id)
  if (order && (await admit(hand.directed, vm, hand.options)).ok) await askFor(hand, vm, order)
}

async function askFor({ options, directed, memory, breakers, isHeld }: CloudHand, vm: Vm, order: VmOrder): Promise<void> {
  const { clock, log } = options
  memory.orders.set(vm.id, order)
  if (!isHeld()) return
  try {
    const { ref } = await directed.cloud.create(order)
    breakers.accepted(vm)
    memory.asked.set(vm.id, clock.nowMs())
    memory.orders.delete(vm.id)
    await record(options, [{ kind: 'accepted', vmId: vm.id, ref }])
    log.info({ vm: vm.id, cloud: vm.cloud, flavor: vm.flavor, ref }, 'VM requested')
  } catch (thrown) {
    const { code, message } = asPilotageError(thrown, `creating ${vm.id}`)
    const failure = failureOf(code)
    // What is not the cloud's is ours: the store's failures go up, and the VM is looked up in the next list.
    if (failure === undefined) throw thrown
    memory.asked.set(vm.id, clock.nowMs())
    breakers.failed(vm, failure, message, clock.nowMs())
    log.warn({ vm: vm.id, cloud: vm.cloud, flavor: vm.flavor, code, message }, 'the cloud made no VM')
    if (failure !== 'transient') await record(options, [{ kind: 'refused', vmId: vm.id, why: `${failure}: ${message}` }])
  }
}

function failureOf(code: ErrorCode): CloudFailure | undefined {
  switch (code) {
    case 'cloud-auth':
      return 'auth'
    case 'cloud-quota':
      return 'quota'
    case 'cloud-capacity':
      return 'capacity'
    case 'cloud-refused':
      return 'refused'
    case 'cloud-gone':
      return 'gone'
    case 'unavailable':
    case 'store-failed':
    case 'store-locked':
    case 'store-newer':
      return undefined
    default:
      return 'transient'
  }
}
