/**
 * How our machines are known among others of the account: by three tags. What does not bear them is not ours, whatever else
 * it looks like.
 *
 * The cloud's name is one of them because several clouds of ours may share an account and region (one of spot machines, one
 * of others), and none may take the other's machines for its own.
 */

import type { Filter, Tag } from '@aws-sdk/client-ec2'
import { isVmId, type VmId } from '../../../../core/kernel/ids.ts'
import type { Ec2Options } from './options.ts'

export const installationTag = 'pilotage-installation'
export const cloudTag = 'pilotage-cloud'
export const vmTag = 'pilotage-vm'

type Owner = Pick<Ec2Options, 'installation' | 'name'>

export function marksOf({ installation, name }: Owner, vmId: VmId): Readonly<Record<string, string>> {
  return { Name: vmId, [installationTag]: installation, [cloudTag]: name, [vmTag]: vmId }
}

export function filtersOf({ installation, name }: Owner, vmId?: VmId): Filter[] {
  return [
    { Name: `tag:${installationTag}`, Values: [literal(installation)] },
    { Name: `tag:${cloudTag}`, Values: [literal(name)] },
    ...(vmId === undefined ? [] : [{ Name: `tag:${vmTag}`, Values: [literal(vmId)] }]),
  ]
}

/** Our VM's id, if these are our marks. Asked again of what a filter let through: not every cloud knows every filter. */
export function ours({ installation, name }: Owner, tags: readonly Tag[] | undefined): VmId | undefined {
  const of = new Map((tags ?? []).map(({ Key, Value }) => [Key, Value]))
  const vmId = of.get(vmTag) ?? ''
  return of.get(installationTag) === installation && of.get(cloudTag) === name && isVmId(vmId) ? vmId : undefined
}

/** In a filter, * and ? stand for other characters. */
export function literal(text: string): string {
  return text.replaceAll(/[\\*?]/g, (letter) => `\\${letter}`)
}
