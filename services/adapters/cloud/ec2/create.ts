/**
 * From an order to one machine. Looks for a machine of the same id first, asks subnet after subnet where a zone has no room,
 * and looks again after an answer that leaves open what was done.
 *
 * Two things keep one id at one machine: the client token, by which EC2 answers a repetition with the first machine, and the
 * tags, by which it is found after the token has expired. A machine that ended is found as well: a late order must not
 * create a machine that the service does not expect.
 */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { VmId } from '../../../../core/kernel/ids.ts'
import type { VmOrder } from '../../../../core/ports/cloud.ts'
import { createOrFind, isTransient } from '../kit/create-once.ts'
import { asOrderError, isEc2Error, isZonal, theirCode, type Ec2Error } from './errors.ts'
import { purchaseOf } from './flavors.ts'
import type { Images } from './look-up.ts'
import { instancesOf } from './instances.ts'
import { filtersOf, ours } from './marks.ts'
import type { Ec2Options } from './options.ts'
import { runInput, type RunOrder, subnetsFor } from './order.ts'
import type { Session } from './session.ts'
import { encodeUserData } from './user-data.ts'

export type Creation = {
  readonly session: Session
  readonly images: Images
  readonly options: Ec2Options
  /** Per VM, the subnet of an order with unknown outcome: the order is repeated there first, with the same token. */
  readonly open: Map<VmId, string>
  /** The end of the whole call. */
  readonly signal: AbortSignal
  /** The end of asking: what is left then is for looking. */
  readonly askSignal: AbortSignal
}

export async function createInstance(creation: Creation, order: VmOrder): Promise<{ readonly ref: string }> {
  const { images, options, signal, askSignal } = creation
  const { vmId, shape } = order
  const doing = `creating ${vmId}`
  const purchase = purchaseOf(shape.flavor, options.references.flavors.get(shape.flavor), doing)
  const userData = encodeUserData(order.userData, doing)
  const existing = await find(creation, order, signal)
  if (existing !== undefined) return { ref: existing }
  const image = await images.find(order, doing, askSignal)
  const run = async (): Promise<string> => {
    try {
      return await runSomewhere(creation, { order, image, purchase, userData }, doing)
    } catch (thrown) {
      // The image may be gone, or no longer shared, and its name may stand for another one by now.
      if (isEc2Error(thrown) && thrown.code === 'cloud-refused') images.forget(order)
      throw thrown
    }
  }
  return { ref: await createOrFind(run, () => find(creation, order, signal), mayBeMade) }
}

function mayBeMade(thrown: unknown): boolean {
  return isTransient(thrown) || theirCode(thrown) === 'IdempotentInstanceTerminated'
}

async function runSomewhere(creation: Creation, run: Omit<RunOrder, 'subnet'>, doing: string): Promise<string> {
  const { options, open } = creation
  const { vmId } = run.order
  const refusals: Ec2Error[] = []
  for (const subnet of subnetsFor(vmId, options.machine.subnets, open.get(vmId))) {
    try {
      const ref = await runIn(creation, { ...run, ...(subnet === undefined ? {} : { subnet }) }, doing)
      open.delete(vmId)
      return ref
    } catch (thrown) {
      if (isTransient(thrown) && subnet !== undefined) remember(open, vmId, subnet)
      else open.delete(vmId)
      if (!isZonal(thrown)) throw thrown
      refusals.push(thrown)
    }
  }
  // A zone that has no such machines at all says nothing about one that has none left.
  throw refusals.find(({ code }) => code === 'cloud-capacity') ?? refusals[0] ?? new Error('no subnet was tried')
}

/** Orders that are never repeated: above this number, the oldest is forgotten. */
const maxOpen = 10_000

function remember(open: Map<VmId, string>, vmId: VmId, subnet: string): void {
  open.set(vmId, subnet)
  const [eldest] = open.keys()
  if (open.size > maxOpen && eldest !== undefined) open.delete(eldest)
}

async function runIn({ session, options, askSignal }: Creation, run: RunOrder, doing: string): Promise<string> {
  const { sdk } = session
  const where = run.subnet === undefined ? doing : `${doing} in ${run.subnet}`
  const input = runInput(run, options)
  const { Instances } = await session
    .call(where, askSignal, (client, abortSignal) => client.send(new sdk.RunInstancesCommand(input), { abortSignal }))
    .catch((thrown: unknown) => {
      throw isEc2Error(thrown) ? asOrderError(thrown) : thrown
    })
  const ref = Instances?.[0]?.InstanceId
  if (ref === undefined) throw new PilotageError('cloud-transient', `${where}: the answer has no instance`)
  return ref
}

/** The reference of the machine that has this id; of several, the same each time. */
async function find({ session, options }: Creation, { vmId }: VmOrder, signal: AbortSignal): Promise<string | undefined> {
  const refs: string[] = []
  const query = { Filters: filtersOf(options, vmId) }
  for await (const { InstanceId, State, Tags } of instancesOf(session, query, `looking for ${vmId}`, signal)) {
    if (InstanceId === undefined || ours(options, Tags) !== vmId) continue
    const isEnding = State?.Name === 'terminated' || State?.Name === 'shutting-down'
    refs.push(`${isEnding ? 1 : 0}${InstanceId}`)
  }
  return refs.sort()[0]?.slice(1)
}
