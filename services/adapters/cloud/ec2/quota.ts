/**
 * The maximum number of machines of the account. It is known only if the configuration says that the account's attribute
 * `max-instances` is a limit. That is so on other clouds with the EC2 API, and not on Amazon's own, where another service
 * has the limits.
 *
 * The account's other machines are subtracted. Our own are not: the quota is the number that we may have in all.
 */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { CloudQuota } from '../../../../core/model/cloud.ts'
import { instancesOf, liveStates } from './instances.ts'
import { ours } from './marks.ts'
import type { Ec2Options } from './options.ts'
import type { Session } from './session.ts'

const attribute = 'max-instances'

export async function quotaOf(
  session: Session,
  options: Ec2Options,
  doing: string,
  signal: AbortSignal,
): Promise<CloudQuota> {
  if (!options.quotaFromAccount) return { vms: Infinity, cores: Infinity, memoryBytes: Infinity }
  const { sdk } = session
  const { AccountAttributes } = await session.call(doing, signal, (client, abortSignal) =>
    client.send(new sdk.DescribeAccountAttributesCommand({ AttributeNames: [attribute as 'default-vpc'] }), { abortSignal }),
  )
  if (!AccountAttributes) throw new PilotageError('cloud-transient', `${doing}: the answer has no attributes`)
  const limit = AccountAttributes.find(({ AttributeName }) => AttributeName === attribute)?.AttributeValues?.[0]
  const maxVms = Number.parseInt(limit?.AttributeValue ?? '', 10)
  if (!(maxVms >= 0)) return { vms: Infinity, cores: Infinity, memoryBytes: Infinity }
  let others = 0
  const live = [{ Name: 'instance-state-name', Values: liveStates }]
  for await (const { Tags, State } of instancesOf(session, { Filters: live }, doing, signal)) {
    if (State?.Name !== 'terminated' && ours(options, Tags) === undefined) others += 1
  }
  return { vms: Math.max(0, maxVms - others), cores: Infinity, memoryBytes: Infinity }
}
