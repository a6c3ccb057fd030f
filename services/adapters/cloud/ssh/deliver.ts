/**
 * Machines of any cloud whose image has no cloud-init: made without user data; the driver sends their user data by SSH as
 * soon as they answer. A layer around a driver; orders for images that have cloud-init go through it unchanged.
 *
 * The user data of a machine stay in memory until they are delivered, and nowhere else: they contain a secret. A restart
 * forgets them; the machine then never becomes active, is ended by its boot timeout and made anew. Until the delivery, a
 * machine counts as `building`. Its host key is that of the first contact; a host that shows another key later gets nothing.
 * A list never waits for a delivery.
 */

import { createHash } from 'node:crypto'
import { asPilotageError, PilotageError } from '../../../../core/kernel/errors.ts'
import type { VmId } from '../../../../core/kernel/ids.ts'
import { cloudCallMs } from '../../../../core/kernel/limits.ts'
import type { Cloud, VmOrder } from '../../../../core/ports/cloud.ts'
import type { CloudVm } from '../../../../core/model/cloud.ts'
import type { DeliveryOptions } from '../kit/driver.ts'
import { startScript } from './scripts.ts'
import { withSession } from './session.ts'

type Delivery = {
  script: string
  readonly sinceMs: number
  ref?: string
  state: 'waiting' | 'busy' | 'done'
  /** Of its first contact. */
  hostKey?: string
  /** Why it was not delivered yet. */
  detail: string
}

/** Marks what was started on a machine, so that it is started once. */
const mark = 'delivered'

export function deliveringCloud(inner: Cloud, options: DeliveryOptions): Cloud {
  const { clock, log, images } = options
  const deliveries = new Map<VmId, Delivery>()

  async function create(order: VmOrder): Promise<{ readonly ref: string }> {
    if (!images.has(order.shape.image)) return inner.create(order)
    const { vmId, userData } = order
    const known = deliveries.get(vmId)
    const delivery: Delivery = known ?? { script: userData, sinceMs: clock.monotonicMs(), state: 'waiting', detail: '' }
    // Asked for again, with a key that is newer: the older one was never used.
    if (delivery.state === 'waiting') delivery.script = userData
    deliveries.set(vmId, delivery)
    try {
      const made = await inner.create({ ...order, userData: '' })
      delivery.ref = made.ref
      return made
    } catch (error) {
      const isUnknown = asPilotageError(error, 'creating').code === 'cloud-transient'
      if (!isUnknown && known === undefined) deliveries.delete(vmId)
      throw error
    }
  }

  async function list(): Promise<readonly CloudVm[]> {
    const vms = await inner.list()
    for (const [vmId, { sinceMs }] of deliveries) {
      if (clock.monotonicMs() - sinceMs > options.keepMs) deliveries.delete(vmId)
    }
    return vms.map((vm) => {
      const delivery = deliveries.get(vm.vmId)
      if (!delivery || delivery.state === 'done' || vm.power !== 'running') return vm
      if (delivery.state === 'waiting' && vm.addresses) start(vm, vm.addresses, delivery)
      return { ...vm, power: 'building', detail: delivery.detail }
    })
  }

  function start({ vmId }: CloudVm, addresses: readonly string[], delivery: Delivery): void {
    delivery.state = 'busy'
    void deliver(options, addresses, vmId, delivery).then(
      () => {
        delivery.state = 'done'
        delivery.script = ''
        log.info({ cloud: inner.name, vmId }, 'context delivered over SSH')
      },
      (thrown: unknown) => {
        const error = asPilotageError(thrown, 'delivering')
        delivery.state = 'waiting'
        delivery.detail = `not reached by SSH: ${error.message}`
        const write = error.code === 'cloud-auth' ? log.warn : log.debug
        write.call(
          log,
          { cloud: inner.name, vmId, code: error.code, message: error.message },
          'a machine is not reached yet',
        )
      },
    )
  }

  return {
    ...inner,
    create,
    list,
    destroy(ref) {
      for (const [vmId, delivery] of deliveries) if (delivery.ref === ref) deliveries.delete(vmId)
      return inner.destroy(ref)
    },
  }
}

/** At the first address that lets us in. Throws what the last one said. */
async function deliver(
  { clock, login, port }: DeliveryOptions,
  addresses: readonly string[],
  vmId: VmId,
  delivery: Delivery,
): Promise<void> {
  const { script } = delivery
  let last = new PilotageError('cloud-transient', `${vmId} has no address`)
  for (const address of addresses) {
    const doing = `delivering to ${address}:${port}`
    const { hostKey } = delivery
    try {
      await withSession({ clock, login, address, port, hostKey, withinMs: cloudCallMs, doing }, async (session) => {
        delivery.hostKey = session.hostKey
        const digest = createHash('sha256').update(script).digest('hex')
        const words = [mark, vmId, String(clock.nowMs()), String(Buffer.byteLength(script)), digest]
        const { code, output, errors } = await session.run(startScript, words, script)
        if (code === 0 && output.trim() === 'started') return
        throw new PilotageError('cloud-transient', `${doing}: ${errors || output.trim().slice(0, 100)} (${code})`)
      })
      return
    } catch (error) {
      last = asPilotageError(error, doing)
    }
  }
  throw last
}
