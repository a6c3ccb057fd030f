/**
 * From an order to the body of RunInstances: pure. Decides what every machine of ours has whatever a template says: one
 * machine, our tags on it and its volumes, an end that is final when it powers itself off, and a metadata address that
 * answers only requests from the machine itself that carry a token.
 *
 * The same order in the same subnet gives the same body and the same client token, so that EC2 itself answers a repetition
 * with the machine that it has made. A token stands for one subnet: EC2 refuses one that comes back with another.
 */

import { createHash } from 'node:crypto'
import type { BlockDeviceMapping, RunInstancesCommandInput, Tag } from '@aws-sdk/client-ec2'
import type { VmId } from '../../../../core/kernel/ids.ts'
import type { VmOrder } from '../../../../core/ports/cloud.ts'
import type { Purchase } from './flavors.ts'
import type { FoundImage } from './look-up.ts'
import { marksOf } from './marks.ts'
import type { Ec2Options, MachineOptions } from './options.ts'

export type RunOrder = {
  readonly order: VmOrder
  readonly image: FoundImage
  readonly purchase: Purchase
  /** Base64. */
  readonly userData: string
  readonly subnet?: string
}

const gib = 1024 ** 3

export function runInput(
  { order, image, purchase, userData, subnet }: RunOrder,
  owner: Pick<Ec2Options, 'installation' | 'name' | 'machine'>,
): RunInstancesCommandInput {
  const { machine } = owner
  const { launchTemplate, instanceProfile, keyName } = machine
  const tags = tagsOf({ ...machine.tags, ...marksOf(owner, order.vmId) })
  const tagged = ['instance', 'volume', ...(purchase.spot ? ['spot-instances-request' as const] : [])] as const
  const volumes = volumesOf(order, image, machine)
  return {
    MinCount: 1,
    MaxCount: 1,
    ClientToken: clientToken(owner, order.vmId, subnet),
    ImageId: image.id,
    InstanceType: purchase.instanceType as RunInstancesCommandInput['InstanceType'],
    ...(userData === '' ? {} : { UserData: userData }),
    TagSpecifications: tagged.map((ResourceType) => ({ ResourceType, Tags: tags })),
    // It powers itself off when it is no longer wanted: what is only stopped would still be paid for.
    InstanceInitiatedShutdownBehavior: 'terminate',
    // A template may protect machines from us.
    DisableApiTermination: false,
    MetadataOptions: { HttpEndpoint: 'enabled', HttpTokens: 'required', HttpPutResponseHopLimit: 1 },
    ...networkOf(machine, subnet),
    ...(volumes ? { BlockDeviceMappings: volumes } : {}),
    ...(purchase.spot ? { InstanceMarketOptions: spotMarket(purchase.spot.maxPrice) } : {}),
    ...(keyName === undefined ? {} : { KeyName: keyName }),
    ...(instanceProfile === undefined
      ? {}
      : { IamInstanceProfile: instanceProfile.startsWith('arn:') ? { Arn: instanceProfile } : { Name: instanceProfile } }),
    ...(launchTemplate
      ? {
          LaunchTemplate: {
            ...(launchTemplate.id === undefined
              ? { LaunchTemplateName: launchTemplate.name }
              : { LaunchTemplateId: launchTemplate.id }),
            Version: launchTemplate.version,
          },
        }
      : {}),
  }
}

/** 64 characters are what EC2 takes. */
export function clientToken(
  { installation, name }: Pick<Ec2Options, 'installation' | 'name'>,
  vmId: VmId,
  subnet = '',
): string {
  return createHash('sha256')
    .update(JSON.stringify([installation, name, vmId, subnet]))
    .digest('hex')
}

/**
 * Every subnet once, beginning with one that the id says: machines spread over the zones, and a repetition begins alike.
 * `sent`: where it begins instead.
 */
export function subnetsFor(vmId: VmId, subnets: readonly string[], sent = ''): readonly (string | undefined)[] {
  if (subnets.length === 0) return [undefined]
  const hashed = createHash('sha256').update(vmId).digest().readUInt32BE(0) % subnets.length
  const first = subnets.includes(sent) ? subnets.indexOf(sent) : hashed
  return [...subnets.slice(first), ...subnets.slice(0, first)]
}

/** Without a request of its own that outlives it: what the market takes away is gone, and we ask for another. */
function spotMarket(maxPrice: string | undefined): RunInstancesCommandInput['InstanceMarketOptions'] {
  return {
    MarketType: 'spot',
    SpotOptions: {
      SpotInstanceType: 'one-time',
      InstanceInterruptionBehavior: 'terminate',
      ...(maxPrice === undefined ? {} : { MaxPrice: maxPrice }),
    },
  }
}

/** Whether it has a public address can only be said of an interface, and then subnet and groups are said there as well. */
function networkOf(
  { securityGroups, publicIp }: MachineOptions,
  subnet: string | undefined,
): Pick<RunInstancesCommandInput, 'NetworkInterfaces' | 'SubnetId' | 'SecurityGroupIds'> {
  const SubnetId = subnet === undefined ? {} : { SubnetId: subnet }
  const groups = [...securityGroups]
  if (publicIp === undefined) return { ...SubnetId, ...(groups.length > 0 ? { SecurityGroupIds: groups } : {}) }
  const nic = { DeviceIndex: 0, AssociatePublicIpAddress: publicIp, DeleteOnTermination: true }
  return { NetworkInterfaces: [{ ...nic, ...SubnetId, ...(groups.length > 0 ? { Groups: groups } : {}) }] }
}

/** The disk that the flavor promises to jobs, gone with the machine. */
function volumesOf(
  { shape }: VmOrder,
  { root }: FoundImage,
  { rootVolume }: MachineOptions,
): BlockDeviceMapping[] | undefined {
  if (!rootVolume || !root) return undefined
  const { size, type, encrypted } = rootVolume
  const sizeGib = Math.max(root.minGib, Math.ceil(shape.diskBytes / gib))
  return [
    {
      DeviceName: root.device,
      Ebs: {
        DeleteOnTermination: true,
        ...(size === 'flavor' ? { VolumeSize: sizeGib } : {}),
        ...(type === undefined ? {} : { VolumeType: type as 'gp3' }),
        ...(encrypted === undefined ? {} : { Encrypted: encrypted }),
      },
    },
  ]
}

function tagsOf(tags: Readonly<Record<string, string>>): Tag[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }))
}
