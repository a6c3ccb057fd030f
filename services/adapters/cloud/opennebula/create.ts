/**
 * One VM for one id, of a cloud that makes a VM as often as it is asked to: the pool is looked at before every create, and
 * after one whose outcome is unknown; of creates of one id at a time there is one.
 */

import type { VmId } from '../../../../core/kernel/ids.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { VmOrder } from '../../../../core/ports/cloud.ts'
import type { Catalogue } from './look-up.ts'
import { createOnce, createOrFind } from '../kit/create-once.ts'
import type { Deadline } from '../kit/deadline.ts'
import type { Client } from './client.ts'
import { errorFor } from './errors.ts'
import type { Machine } from './machines.ts'
import { type OrderOptions, orderText } from './order.ts'

type Made = { readonly ref: string }

export type MakerOptions = OrderOptions & {
  readonly name: string
  readonly client: Client
  readonly catalogue: Catalogue
  /** Ours, as they are after the call. */
  readonly look: (deadline: Deadline) => Promise<readonly Machine[]>
}

/** How many of the last VMs made are known without a list. */
const madeKept = 10_000

export function openMaker(options: MakerOptions): (order: VmOrder) => Promise<Made> {
  const { name, client, catalogue, look } = options
  const made = new Map<VmId, string>()
  const creating = createOnce<Made>()

  function remember(vmId: VmId, ref: string): Made {
    made.set(vmId, ref)
    const [oldest] = made.keys()
    if (made.size > madeKept && oldest !== undefined) made.delete(oldest)
    return { ref }
  }

  async function findMade(vmId: VmId, deadline: Deadline): Promise<Made | undefined> {
    const named = (await look(deadline)).filter((one) => one.vmId === vmId)
    const [first] = named.sort((a, b) => Number(a.ref) - Number(b.ref))
    return first && remember(vmId, first.ref)
  }

  async function make(order: VmOrder): Promise<Made> {
    const { vmId } = order
    const deadline = client.deadline()
    const found = await findMade(vmId, deadline)
    if (found) return found
    const doing = `creating ${vmId} on ${name}`
    const { template, imageId } = await catalogue.find(order, deadline)
    // The template, the VM's name, not on hold, what is different, and no persistent copy: all of them, or it is no call.
    const parameters = [template.id, vmId, false, orderText(order, template, options, imageId), false] as const
    const instantiate = async (): Promise<Made> => {
      const answer = await client.ask('one.template.instantiate', parameters, doing, deadline)
      if (answer.ok) return remember(vmId, refIn(answer.value, doing))
      const error = errorFor(answer.failure, doing, 'create')
      // What was read of the template may be why.
      if (error.code === 'cloud-refused') catalogue.forget()
      throw error
    }
    return createOrFind(instantiate, () => findMade(vmId, deadline))
  }

  return (order) => {
    const { vmId } = order
    const ref = made.get(vmId)
    // A VM that ended is not made again: a late repetition must not create a VM that the service does not expect.
    if (ref !== undefined) return Promise.resolve({ ref })
    return creating.run(vmId, () => make(order))
  }
}

function refIn(value: string, doing: string): string {
  if (/^\d+$/.test(value)) return value
  throw new PilotageError('cloud-transient', `${doing}: the answer names no VM`)
}
