/**
 * EC2's list of instances, page by page, and what an instance is to us. A list is whole or an error: a page that is no page,
 * or one that leads back to where we were, throws.
 *
 * EC2 lists a machine for about an hour after its end; for us it is gone.
 */

import type { DescribeInstancesCommandInput, Instance } from '@aws-sdk/client-ec2'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { CloudVm } from '../../../../core/model/cloud.ts'
import type { WaitFailure } from '../../../../core/model/proof.ts'
import { codeOf, isGone } from './errors.ts'
import { ours } from './marks.ts'
import type { Ec2Options } from './options.ts'
import type { Session } from './session.ts'

/** As many as EC2 gives. */
const pageSize = 1000
export const liveStates = ['pending', 'running', 'shutting-down', 'stopping', 'stopped']

/** One after the other as they come: a list of thousands is never held in EC2's own form. */
export async function* instancesOf(
  session: Session,
  query: Pick<DescribeInstancesCommandInput, 'Filters'>,
  doing: string,
  signal: AbortSignal,
): AsyncGenerator<Instance> {
  const { sdk } = session
  const tokens = new Set<string>()
  let token: string | undefined
  do {
    const input = { ...query, MaxResults: pageSize, ...(token === undefined ? {} : { NextToken: token }) }
    const page = await session.call(doing, signal, (client, abortSignal) =>
      client.send(new sdk.DescribeInstancesCommand(input), { abortSignal }),
    )
    // Whatever else answers with 200, a captive portal as it may be, is not an empty list.
    if (!page.Reservations) throw new PilotageError('cloud-transient', `${doing}: the answer is no list of instances`)
    for (const { Instances = [] } of page.Reservations) yield* Instances
    token = page.NextToken || undefined
    if (token === undefined) return
    if (tokens.has(token)) throw new PilotageError('cloud-transient', `${doing}: the list leads in a circle`)
    tokens.add(token)
  } while (token !== undefined)
}

/** Undefined of one that EC2 does not know. */
export async function findInstance(
  session: Session,
  ref: string,
  doing: string,
  signal: AbortSignal,
): Promise<Instance | undefined> {
  const { sdk } = session
  try {
    const { Reservations } = await session.call(doing, signal, (client, abortSignal) =>
      client.send(new sdk.DescribeInstancesCommand({ InstanceIds: [ref] }), { abortSignal }),
    )
    if (!Reservations) throw new PilotageError('cloud-transient', `${doing}: the answer is no list of instances`)
    return Reservations.flatMap(({ Instances = [] }) => Instances).find(({ InstanceId }) => InstanceId === ref)
  } catch (thrown) {
    if (isGone(thrown)) return undefined
    throw thrown
  }
}

/** Undefined of one that is not ours, or has ended. */
export function asCloudVm(owner: Pick<Ec2Options, 'installation' | 'name'>, instance: Instance): CloudVm | undefined {
  const { InstanceId: ref, LaunchTime, State, Tags } = instance
  const vmId = ours(owner, Tags)
  const power = powerOf(State?.Name ?? '')
  if (vmId === undefined || ref === undefined || power === 'ended') return undefined
  const detail = power === 'building' || power === 'running' ? '' : reasonOf(instance)
  const failure = detail === '' ? undefined : startFailure(instance)
  const known = { ref, vmId, power, detail, createdMs: LaunchTime?.getTime() ?? 0, addresses: addressesOf(instance) }
  return failure === undefined ? known : { ...known, failure }
}

/** Reasons of machines that a user, the machine itself or the spot market ended: they did start. */
const endedWords = /Initiated|Spot|Scheduled/

/** Of one that was not seen to run: undefined if it is not ours, has not ended, or gives no reason why it did not start. */
export function asFailedStart(owner: Pick<Ec2Options, 'installation' | 'name'>, instance: Instance): CloudVm | undefined {
  const { InstanceId: ref, LaunchTime, State, StateReason, Tags } = instance
  const vmId = ours(owner, Tags)
  if (vmId === undefined || ref === undefined || State?.Name !== 'terminated') return undefined
  const code = StateReason?.Code ?? ''
  if (code === '' || endedWords.test(code)) return undefined
  const failure = startFailure(instance)
  const blamed = failure === undefined ? {} : { failure }
  return { ref, vmId, power: 'error', detail: reasonOf(instance), ...blamed, createdMs: LaunchTime?.getTime() ?? 0 }
}

/** The public one last: within the network it leads out and in again, where it leads anywhere. */
function addressesOf({ PrivateIpAddress, Ipv6Address, PublicIpAddress }: Instance): readonly string[] | undefined {
  const found = [PrivateIpAddress, Ipv6Address, PublicIpAddress].flatMap((one) => one || [])
  return found.length > 0 ? found : undefined
}

function powerOf(state: string): CloudVm['power'] | 'ended' {
  switch (state) {
    case 'running':
      return 'running'
    case 'stopping':
    case 'stopped':
      return 'stopped'
    case 'shutting-down':
      return 'ending'
    case 'terminated':
      return 'ended'
    // Not Amazon's: clouds that speak its language have it.
    case 'error':
      return 'error'
    default:
      return 'building'
  }
}

/** What the reason of a state says is to blame besides the image; undefined: nothing. `Client.VolumeLimitExceeded` */
export function startFailure({ StateReason }: Instance): WaitFailure | undefined {
  const code = codeOf((StateReason?.Code ?? '').replace(/^(?:Server|Client)\./, ''))
  if (code === 'cloud-quota') return 'quota'
  return code === 'cloud-capacity' ? 'capacity' : undefined
}

/** `Server.SpotInstanceTermination` is how an interruption shows: only after the fact. */
export function reasonOf({ State, StateReason }: Instance): string {
  const { Code = '', Message = '' } = StateReason ?? {}
  const text = Message.startsWith(Code) ? Message : `${Code}: ${Message}`
  return (text || (State?.Name ?? '')).slice(0, 300)
}
