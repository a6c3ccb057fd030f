/**
 * The EC2 driver against moto_server, an EC2 API, through a front that plays what moto leaves out: the port's contract, what
 * the calls carry, and what moto has afterwards.
 */

import { EC2Client, type RunInstancesCommandInput } from '@aws-sdk/client-ec2'
import * as sdk from '@aws-sdk/client-ec2'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../core/kernel/clock.ts'
import { newVmId } from '../../core/kernel/ids.ts'
import type { VmOrder } from '../../core/ports/cloud.ts'
import { silentLog } from '../../core/ports/log.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { type Ec2Cloud, openEc2Cloud } from '../../services/adapters/cloud/ec2/cloud.ts'
import type { Ec2Options } from '../../services/adapters/cloud/ec2/options.ts'
import { cloudContract, type MachineLife } from '../contract/cloud.ts'
import { listed, refusal } from '../support/ec2-server.ts'
import { type Ec2Front, openEc2Front } from './ec2-front.ts'
import type { MotoServer } from './moto-server.ts'
import { startMoto } from './servers.ts'
import { noAmounts } from '../../core/model/resources.ts'

const region = 'eu-west-1'
const gib = 1024 ** 3
const keys = { kind: 'keys' as const, accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'a secret that never shows' }

let moto: MotoServer
/** To look at moto, and to do to it what others do, without the driver. */
let client: EC2Client
let image: { readonly id: string; readonly name: string }
let subnets: readonly string[]
beforeAll(async () => {
  moto = await startMoto()
  client = new EC2Client({ region, endpoint: moto.url, credentials: keys })
  const name = `pilotage-${systemRandom().letters(8)}`
  const mapping = { DeviceName: '/dev/sda1', Ebs: { VolumeSize: 8 } }
  const { ImageId = '' } = await client.send(
    new sdk.RegisterImageCommand({ Name: name, RootDeviceName: '/dev/sda1', BlockDeviceMappings: [mapping] }),
  )
  image = { id: ImageId, name }
  const { Subnets = [] } = await client.send(new sdk.DescribeSubnetsCommand({}))
  subnets = Subnets.map(({ SubnetId = '' }) => SubnetId).sort()
})
afterAll(async () => {
  client?.destroy()
  await moto?.stop()
})

type Bench = {
  readonly cloud: Ec2Cloud
  readonly front: Ec2Front
  readonly installation: string
  order(shape?: Partial<VmOrder['shape']>, userData?: string): VmOrder
  /** Another driver, for the same installation. */
  again(changes?: Partial<Ec2Options>): Promise<Ec2Cloud>
  close(): Promise<void>
}

function imageRefs(): ReadonlyMap<string, VmOrder['imageRef']> {
  return new Map([
    ['plain', { by: 'name', name: image.name }],
    ['by-id', { by: 'id', id: image.id }],
    ['none', { by: 'id', id: 'ami-0123456789abcdef0' }],
  ])
}

const smallest: VmOrder['shape'] = {
  cloud: 'amazon',
  site: 'there',
  flavor: 'small',
  image: 'plain',
  platform: 'linux',
  tags: [],
  vos: [],
  cores: 2,
  ...noAmounts,
  memoryBytes: 8 * gib,
  diskBytes: 20 * gib,
  pricePerHour: 0.1,
}

async function bench(changes: Partial<Ec2Options> = {}): Promise<Bench> {
  const front = await openEc2Front(moto.url)
  const installation = `test-${systemRandom().letters(10)}`
  const options: Ec2Options = {
    name: 'amazon',
    installation,
    clock: systemClock(),
    log: silentLog(),
    references: {
      flavors: new Map([
        ['small', { by: 'id', id: 'm5.large' }],
        ['spot', { by: 'properties', properties: { type: 'm5.large', market: 'spot', maxPrice: '0.035' } }],
      ]),
    },
    region,
    endpoint: front.url,
    credentials: keys,
    machine: { subnets: [], securityGroups: [], rootVolume: { size: 'flavor' }, tags: {} },
    imageOwners: ['self'],
    quotaFromAccount: true,
    ...changes,
  }
  const drivers = [await openEc2Cloud(options)]
  const [cloud] = drivers as [Ec2Cloud]
  return {
    cloud,
    front,
    installation,
    order: (shape = {}, userData = '#cloud-config\n{}\n') => ({
      vmId: newVmId(systemRandom()),
      shape: { ...smallest, ...shape },
      imageRef: imageRefs().get(shape.image ?? smallest.image),
      userData,
    }),
    async again(more = {}) {
      const driver = await openEc2Cloud({ ...options, ...more })
      drivers.push(driver)
      return driver
    },
    async close() {
      front.disturb(() => undefined)
      for (const driver of drivers) driver.close()
      await front.close()
      const left = await machines(installation)
      for (const { InstanceId = '' } of left) {
        await client.send(new sdk.TerminateInstancesCommand({ InstanceIds: [InstanceId] }))
      }
      expect(left.map(({ InstanceId }) => InstanceId)).toEqual([])
    },
  }
}

/** What moto has of an installation that has not ended. */
async function machines(installation: string): Promise<readonly sdk.Instance[]> {
  const Filters = [{ Name: 'tag:pilotage-installation', Values: [installation] }]
  const { Reservations = [] } = await client.send(new sdk.DescribeInstancesCommand({ Filters }))
  return Reservations.flatMap(({ Instances = [] }) => Instances).filter(({ State }) => State?.Name !== 'terminated')
}

cloudContract(
  'ec2 (moto)',
  async () => {
    const { cloud, front, order, again, close } = await bench()
    // A silent cloud is waited for; the test has no time for all of a real call's.
    const hasty = await again({ callMs: 8000 })
    return {
      cloud: hasty,
      order({ ends, words }: MachineLife = {}) {
        const made = order()
        if (ends) front.endSoon(made.vmId)
        if (words !== undefined) front.writeOnConsole(made.vmId, `${'.'.repeat(100 * 1024)}\n${words}\n`)
        return made
      },
      async close() {
        cloud.close()
        await close()
      },
      provoke: {
        fullQuota: async () =>
          front.disturb(({ action }) => (action === 'RunInstances' ? refusal(400, 'VcpuLimitExceeded') : undefined)),
        // The second page does not come.
        brokenList: async () => {
          front.disturb((call) => {
            if (call.action !== 'DescribeInstances') return undefined
            if (call.parameters.has('NextToken')) return refusal(503, 'Unavailable')
            const next = '<reservationSet/><nextToken>page-2</nextToken>'
            return { status: 200, body: `<DescribeInstancesResponse>${next}</DescribeInstancesResponse>` }
          })
        },
        silence: async () => front.disturb(() => 'silence'),
        impossibleOrder: () => order({ image: 'none' }),
      },
    }
  },
  { withinMs: 10_000, everyMs: 50 },
)

describe('ec2 on moto', () => {
  const benches: Bench[] = []
  async function set(changes?: Partial<Ec2Options>): Promise<Bench> {
    const made = await bench(changes)
    benches.push(made)
    return made
  }
  afterEach(async () => {
    for (const one of benches.splice(0)) await one.close()
  })

  async function end({ cloud, installation }: Bench): Promise<void> {
    for (const { ref } of await cloud.list()) while ((await cloud.destroy(ref)) !== 'gone');
    expect(await machines(installation)).toEqual([])
  }

  it('makes a machine as it was ordered, with its volume, and leaves no volume', async () => {
    const one = await set()
    const made = one.order({}, '#cloud-config\nhostname: here\n')
    const { ref } = await one.cloud.create(made)
    const [machine] = await machines(one.installation)
    const tags = Object.fromEntries((machine?.Tags ?? []).map(({ Key = '', Value = '' }) => [Key, Value]))
    expect(tags).toEqual({
      Name: made.vmId,
      'pilotage-cloud': 'amazon',
      'pilotage-installation': one.installation,
      'pilotage-vm': made.vmId,
    })
    expect(machine).toMatchObject({ InstanceId: ref, InstanceType: 'm5.large', ImageId: image.id })
    expect(machine?.MetadataOptions).toMatchObject({ HttpTokens: 'required', HttpPutResponseHopLimit: 1 })
    const { UserData } = await client.send(
      new sdk.DescribeInstanceAttributeCommand({ InstanceId: ref, Attribute: 'userData' }),
    )
    expect(Buffer.from(UserData?.Value ?? '', 'base64').toString()).toBe(made.userData)
    expect(await volumes(made.vmId)).toMatchObject([{ Size: 20 }])
    await end(one)
    expect(await volumes(made.vmId)).toEqual([])
  })

  async function volumes(vmId: string): Promise<readonly sdk.Volume[]> {
    const Filters = [{ Name: 'tag:pilotage-vm', Values: [vmId] }]
    return (await client.send(new sdk.DescribeVolumesCommand({ Filters }))).Volumes ?? []
  }

  it('finds its machine by the token where the tags do not show it yet', async () => {
    const one = await set()
    const made = one.order()
    const { ref } = await one.cloud.create(made)
    // A list that lags: neither the look before nor the list knows it.
    one.front.disturb(({ action }) =>
      action === 'DescribeInstances'
        ? { status: 200, body: '<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>' }
        : undefined,
    )
    expect(await one.cloud.create(made)).toEqual({ ref })
    const other = await one.again()
    expect(await other.create(made)).toEqual({ ref })
    one.front.disturb(() => undefined)
    expect(await machines(one.installation)).toHaveLength(1)
    await end(one)
  })

  it('finds its machine after a reply that was lost', async () => {
    const one = await set()
    one.front.disturb((call, made) => (call.action === 'RunInstances' ? made().then(() => 'cut' as const) : undefined))
    const { ref } = await one.cloud.create(one.order())
    expect((await machines(one.installation)).map(({ InstanceId }) => InstanceId)).toEqual([ref])
    expect(one.front.of('RunInstances')).toHaveLength(1)
    await end(one)
  })

  it('finds the machine of an order that comes again changed, or after the end, and makes none', async () => {
    const one = await set()
    const made = one.order()
    const { ref } = await one.cloud.create(made)
    const blind = (): void => {
      let looks = 0
      one.front.disturb(({ action }) => {
        if (action !== 'DescribeInstances') return undefined
        looks += 1
        const empty = '<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>'
        return looks === 1 ? { status: 200, body: empty } : undefined
      })
    }
    blind()
    expect(await one.cloud.create({ ...made, userData: '#cloud-config\n{ other: key }\n' })).toEqual({ ref })
    one.front.disturb(() => undefined)
    await end(one)
    expect(await one.cloud.create(made)).toEqual({ ref })
    blind()
    expect(await one.cloud.create(made)).toEqual({ ref })
    one.front.disturb(() => undefined)
    expect(await machines(one.installation)).toEqual([])
  })

  it('goes to the next zone where one is full, from a subnet that the id says', async () => {
    const one = await set({ machine: { subnets: subnets.slice(0, 3), securityGroups: [], tags: {} } })
    const full = new Set<string>()
    one.front.disturb(({ action, parameters }) =>
      action === 'RunInstances' && full.has(parameters.get('SubnetId') ?? '')
        ? refusal(500, 'InsufficientInstanceCapacity')
        : undefined,
    )
    const asked = (): readonly string[] =>
      one.front.of('RunInstances').map(({ parameters }) => parameters.get('SubnetId') ?? '')
    const made = one.order()
    await one.cloud.create(made)
    const [first = ''] = asked()
    full.add(first)
    const orders = Array.from({ length: 8 }, () => one.order())
    for (const each of orders) await one.cloud.create(each)
    const placed = (await machines(one.installation)).map(({ SubnetId }) => SubnetId)
    expect(placed.filter((subnet) => subnet === first)).toHaveLength(1)
    expect(new Set(placed).size).toBeGreaterThan(1)
    for (const subnet of subnets) full.add(subnet)
    const before = asked().length
    await expect(one.cloud.create(one.order())).rejects.toMatchObject({ code: 'cloud-capacity' })
    expect([...asked().slice(before)].sort()).toEqual(subnets.slice(0, 3))
    one.front.disturb(() => undefined)
    await end(one)
  })

  it('buys on the spot market, and compresses user data that are too large', async () => {
    const one = await set()
    const userData = `#cloud-config\n# ${'long '.repeat(8000)}\n`
    const { ref } = await one.cloud.create(one.order({ flavor: 'spot' }, userData))
    const [machine] = await machines(one.installation)
    expect(machine).toMatchObject({ InstanceId: ref, InstanceLifecycle: 'spot' })
    const [call] = one.front.of('RunInstances')
    const market = [...(call?.parameters ?? [])].filter(([key]) => key.startsWith('InstanceMarketOptions.'))
    expect(Object.fromEntries(market)).toEqual({
      'InstanceMarketOptions.MarketType': 'spot',
      'InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior': 'terminate',
      'InstanceMarketOptions.SpotOptions.MaxPrice': '0.035',
      'InstanceMarketOptions.SpotOptions.SpotInstanceType': 'one-time',
    })
    expect(call && listed(call, 'TagSpecification').map(({ ResourceType }) => ResourceType)).toEqual([
      'instance',
      'volume',
      'spot-instances-request',
    ])
    await end(one)
  })

  it('begins with a launch template', async () => {
    const name = `template-${systemRandom().letters(8)}`
    const data = { InstanceType: 't3.micro' as const, KeyName: 'none' } satisfies RunInstancesCommandInput | object
    await client.send(new sdk.CreateLaunchTemplateCommand({ LaunchTemplateName: name, LaunchTemplateData: data }))
    const launchTemplate = { name, version: '$Default' }
    const one = await set({ machine: { launchTemplate, subnets: [], securityGroups: [], tags: { project: 'atlas' } } })
    await one.cloud.create(one.order({ image: 'by-id' }))
    const [call] = one.front.of('RunInstances')
    expect(call?.parameters.get('LaunchTemplate.LaunchTemplateName')).toBe(name)
    expect([...(call?.parameters.keys() ?? [])].filter((key) => key.startsWith('BlockDeviceMapping'))).toEqual([])
    const [machine] = await machines(one.installation)
    expect(machine?.InstanceType).toBe('m5.large')
    expect(machine?.Tags).toContainEqual({ Key: 'project', Value: 'atlas' })
    await end(one)
  })

  it('knows nothing of machines of another installation, or of another cloud of ours, and ends none', async () => {
    const [one, stranger] = [await set(), await set()]
    const sibling = await one.again({ name: 'amazon-spot' })
    const { ref: strange } = await stranger.cloud.create(stranger.order())
    const { ref: near } = await sibling.create(one.order())
    expect(await one.cloud.list()).toEqual([])
    for (const ref of [strange, near]) {
      await expect(one.cloud.destroy(ref)).rejects.toMatchObject({ code: 'cloud-refused' })
    }
    expect(one.front.of('TerminateInstances')).toEqual([])
    const { vms } = await one.cloud.quota()
    expect((await sibling.quota()).vms).toBe(vms + 1)
    while ((await sibling.destroy(near)) !== 'gone');
    await end(stranger)
  })

  it('refuses an image that has gone since it was found', async () => {
    const name = `short-lived-${systemRandom().letters(8)}`
    const { ImageId = '' } = await client.send(new sdk.RegisterImageCommand({ Name: name, RootDeviceName: '/dev/sda1' }))
    const one = await set()
    const order = () => ({ ...one.order(), imageRef: { by: 'name', name } as const })
    await one.cloud.create(order())
    await client.send(new sdk.DeregisterImageCommand({ ImageId }))
    for (const reason of [/InvalidAMIID/, /not available|there is no image/]) {
      await expect(one.cloud.create(order())).rejects.toThrow(reason)
    }
    await end(one)
  })
})
