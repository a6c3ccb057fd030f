/** The EC2 driver against a scripted server: what no real one can be made to do, and what its calls carry. */

import { gunzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import { newVmId, type VmId } from '../../../core/kernel/ids.ts'
import type { VmOrder } from '../../../core/ports/cloud.ts'
import { silentLog } from '../../../core/ports/log.ts'
import { systemRandom } from '../../../core/kernel/random.ts'
import { openEc2Cloud } from '../../../services/adapters/cloud/ec2/cloud.ts'
import type { Ec2Options } from '../../../services/adapters/cloud/ec2/options.ts'
import { clientToken, subnetsFor } from '../../../services/adapters/cloud/ec2/order.ts'
import { document, type Ec2Answer, type Ec2Call, listed, openEc2Server, refusal } from '../../support/ec2-server.ts'
import { noAmounts } from '../../../core/model/resources.ts'

const gib = 1024 ** 3
const owner = { installation: 'test', name: 'far' }

type Script = Readonly<Record<string, (call: Ec2Call, at: number) => Ec2Answer>>

const closing: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** Answers each action in its own way; what is not scripted is a machine-less cloud with one image. */
async function set(script: Script = {}, changes: Partial<Ec2Options> = {}) {
  const usual: Script = {
    DescribeInstances: () => instances([]),
    DescribeImages: () => document('DescribeImages', `<imagesSet>${image('ami-1')}</imagesSet>`),
    RunInstances: () => document('RunInstances', '<instancesSet><item><instanceId>i-1</instanceId></item></instancesSet>'),
  }
  const counts = new Map<string, number>()
  const server = await openEc2Server((call) => {
    const at = counts.get(call.action) ?? 0
    counts.set(call.action, at + 1)
    return (script[call.action] ?? usual[call.action] ?? (() => refusal(400, 'InvalidAction')))(call, at)
  })
  const cloud = await openEc2Cloud({
    ...owner,
    clock: systemClock(),
    log: silentLog(),
    references: {
      flavors: new Map([
        ['small', { by: 'name', name: 'm5.large' }],
        ['spot', { by: 'properties', properties: { type: 'm5.large', market: 'spot' } }],
      ]),
    },
    region: 'eu-west-1',
    endpoint: server.url,
    credentials: { kind: 'keys', accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret', sessionToken: 'a-session' },
    machine: { subnets: [], securityGroups: [], rootVolume: { size: 'flavor' }, tags: {} },
    imageOwners: ['self'],
    quotaFromAccount: false,
    callMs: 5000,
    ...changes,
  })
  closing.push(() => cloud.close(), server.close)
  return { cloud, server, of: server.of }
}

function order(userData = '#cloud-config\n{ key: the-activation-key }\n', shape: Partial<VmOrder['shape']> = {}): VmOrder {
  const where = { cloud: 'far', site: 'there', flavor: 'small', image: 'plain', platform: 'linux', tags: [], vos: [] }
  const size = { cores: 2, ...noAmounts, memoryBytes: 8 * gib, diskBytes: 20 * gib, pricePerHour: 0.1 }
  const imageRef = { by: 'name', name: 'debian-*' } as const
  return { vmId: newVmId(systemRandom()), shape: { ...where, ...size, ...shape }, imageRef, userData }
}

type Reported = {
  readonly ref: string
  readonly vmId: string
  readonly state?: string
  readonly reason?: string
  readonly of?: string
  readonly addresses?: string
}

function instances(reported: readonly Reported[], token = ''): Ec2Answer {
  const items = reported.map(({ ref, vmId, state = 'running', reason = '', of = owner.installation, addresses = '' }) => {
    const marks = { 'pilotage-installation': of, 'pilotage-cloud': owner.name, 'pilotage-vm': vmId }
    const tags = Object.entries(marks).map(([key, value]) => `<item><key>${key}</key><value>${value}</value></item>`)
    const [code = '', message = ''] = reason.split('|')
    const why = reason === '' ? '' : `<stateReason><code>${code}</code><message>${message}</message></stateReason>`
    const facts = `<instanceId>${ref}</instanceId><instanceState><name>${state}</name></instanceState>${why}${addresses}`
    const one = `<item>${facts}<launchTime>2026-01-02T03:04:05.000Z</launchTime><tagSet>${tags.join('')}</tagSet></item>`
    return `<item><instancesSet>${one}</instancesSet></item>`
  })
  const next = token === '' ? '' : `<nextToken>${token}</nextToken>`
  return document('DescribeInstances', `<reservationSet>${items.join('')}</reservationSet>${next}`)
}

function image(id: string, state = 'available'): string {
  const disk = '<item><deviceName>/dev/xvda</deviceName><ebs><volumeSize>30</volumeSize></ebs></item>'
  const root = '<rootDeviceType>ebs</rootDeviceType><rootDeviceName>/dev/xvda</rootDeviceName>'
  const state_ = `<imageState>${state}</imageState>`
  return `<item><imageId>${id}</imageId>${state_}${root}<blockDeviceMapping>${disk}</blockDeviceMapping></item>`
}

const vm = (name: string): VmId => `vm-${name.padEnd(10, '0')}` as VmId

describe('a list', () => {
  it('is gathered from all of its pages, each asked for once, and holds what is ours and lives', async () => {
    const pages = [
      instances([{ ref: 'i-1', vmId: vm('a'), state: 'pending' }], 'two'),
      instances([], 'three'),
      instances([
        { ref: 'i-2', vmId: vm('b'), state: 'stopped', reason: 'Client.InstanceInitiatedShutdown|Client.Instance...: off' },
        { ref: 'i-3', vmId: vm('c'), state: 'shutting-down', reason: 'Server.SpotInstanceTermination|interrupted' },
        { ref: 'i-4', vmId: vm('d'), state: 'terminated' },
        { ref: 'i-5', vmId: vm('e'), of: 'another' },
        { ref: 'i-6', vmId: 'not-an-id' },
        { ref: 'i-7', vmId: vm('f'), state: 'error' },
      ]),
    ]
    const { cloud, of } = await set({ DescribeInstances: (_call, at) => pages[at] ?? 'cut' })
    expect(await cloud.list()).toEqual([
      { ref: 'i-1', vmId: vm('a'), power: 'building', detail: '', createdMs: Date.UTC(2026, 0, 2, 3, 4, 5) },
      expect.objectContaining({
        ref: 'i-2',
        power: 'stopped',
        detail: expect.stringContaining('InstanceInitiatedShutdown'),
      }),
      expect.objectContaining({ ref: 'i-3', power: 'ending', detail: 'Server.SpotInstanceTermination: interrupted' }),
      expect.objectContaining({ ref: 'i-7', power: 'error' }),
    ])
    expect(of('DescribeInstances').map(({ parameters }) => parameters.get('NextToken'))).toEqual([undefined, 'two', 'three'])
    const [first] = of('DescribeInstances')
    expect(first?.parameters.get('MaxResults')).toBe('1000')
    const filters = first ? listed(first, 'Filter').map(({ Name }) => Name) : []
    expect(filters).toEqual(['tag:pilotage-installation', 'tag:pilotage-cloud', 'instance-state-name'])
  })

  it('has what ended before it ran, with the reason, until its end is asked for', async () => {
    const reason = 'Client.VolumeLimitExceeded|Client.VolumeLimitExceeded: Volume limit exceeded'
    const ended = instances([{ ref: 'i-1', vmId: vm('a'), state: 'terminated', reason }])
    let isPending = true
    const { cloud, of } = await set({
      DescribeInstances: ({ parameters }) => {
        if (parameters.has('InstanceId.1')) return ended
        return isPending ? instances([{ ref: 'i-1', vmId: vm('a'), state: 'pending' }]) : instances([])
      },
    })
    expect(await cloud.list()).toMatchObject([{ ref: 'i-1', power: 'building' }])
    isPending = false
    const failed = { ref: 'i-1', vmId: vm('a'), power: 'error', failure: 'quota', detail: reason.split('|')[1] }
    for (let round = 0; round < 2; round += 1) expect(await cloud.list()).toMatchObject([failed])
    expect(of('DescribeInstances').filter(({ parameters }) => parameters.has('InstanceId.1'))).toHaveLength(1)
    expect(await cloud.destroy('i-1')).toBe('gone')
    expect(await cloud.list()).toEqual([])
  })

  it('has none that ran between two lists and switched itself off', async () => {
    const reason = 'Client.InstanceInitiatedShutdown|Client.InstanceInitiatedShutdown: Instance initiated shutdown'
    const { cloud, of } = await set({
      DescribeInstances: ({ parameters }, at) => {
        if (parameters.has('InstanceId.1')) return instances([{ ref: 'i-1', vmId: vm('a'), state: 'terminated', reason }])
        return at === 0 ? instances([{ ref: 'i-1', vmId: vm('a'), state: 'pending' }]) : instances([])
      },
    })
    await cloud.list()
    for (let round = 0; round < 2; round += 1) expect(await cloud.list()).toEqual([])
    expect(of('DescribeInstances').filter(({ parameters }) => parameters.has('InstanceId.1'))).toHaveLength(1)
  })

  it('asks for none that ran, nor for one that we ended', async () => {
    let state = 'running'
    const { cloud, of } = await set({
      DescribeInstances: ({ parameters }) => {
        const one = instances([{ ref: 'i-1', vmId: vm('a'), state }])
        return state === 'terminated' && !parameters.has('InstanceId.1') ? instances([]) : one
      },
      TerminateInstances: () => document('TerminateInstances', '<instancesSet/>'),
    })
    await cloud.list()
    state = 'terminated'
    expect(await cloud.list()).toEqual([])
    state = 'pending'
    await cloud.list()
    await cloud.destroy('i-1')
    state = 'terminated'
    expect(await cloud.list()).toEqual([])
    expect(of('DescribeInstances').filter(({ parameters }) => parameters.has('InstanceId.1'))).toHaveLength(1)
  })

  it('lists the addresses, the public one last', async () => {
    const addresses = '<ipAddress>192.0.2.7</ipAddress><privateIpAddress>10.0.0.7</privateIpAddress>'
    const { cloud } = await set({ DescribeInstances: () => instances([{ ref: 'i-1', vmId: vm('a'), addresses }]) })
    expect((await cloud.list())[0]?.addresses).toEqual(['10.0.0.7', '192.0.2.7'])
  })

  it.each<[string, (at: number) => Ec2Answer]>([
    ['ends in its middle', () => ({ ...whole(), cutAfter: 200 })],
    ['has a page that fails', (at) => (at === 0 ? instances([], 'two') : refusal(503, 'Unavailable'))],
    [
      'has a page that is refused for asking too much',
      (at) => (at === 0 ? instances([], 'two') : refusal(503, 'RequestLimitExceeded')),
    ],
    ['leads in a circle', () => instances([], 'same')],
    ['is a page of another server with status 200', () => ({ status: 200, body: '<html><body>Sign in</body></html>' })],
    ['is empty', () => ({ status: 200, body: '' })],
    ['is no document', () => ({ status: 200, body: '{"a": 1}' })],
    ['is cut short with its end', () => ({ status: 200, body: '<DescribeInstancesResponse><reservationSet><item>' })],
    [
      'is a refusal in the clothes of success',
      () => ({ ...(refusal(200, 'InternalError') as { status: number; body: string }) }),
    ],
    ['comes from a broken gateway', () => ({ status: 502, body: '<html>bad gateway</html>' })],
    ['leads elsewhere', () => ({ status: 302, body: '' })],
    ['has an error without a name', () => ({ status: 400, body: '<Response><Errors><Error></Error></Errors></Response>' })],
    ['is asked for too often', () => ({ status: 429, body: '' })],
  ])('that %s is no list', async (_what, answer) => {
    const { cloud } = await set({ DescribeInstances: (_call, at) => answer(at) })
    await expect(cloud.list()).rejects.toMatchObject({ code: 'cloud-transient' })
  })

  function whole() {
    return instances([{ ref: 'i-1', vmId: vm('a') }]) as { status: number; body: string }
  }
})

describe('an order', () => {
  it('says what every machine has, whatever else was said', async () => {
    const machine = {
      subnets: ['subnet-a'],
      securityGroups: ['sg-1', 'sg-2'],
      publicIp: false,
      instanceProfile: 'worker',
      keyName: 'operator',
      rootVolume: { size: 'flavor' as const, type: 'gp3', encrypted: true },
      tags: { project: 'atlas' },
    }
    const { cloud, of } = await set({}, { machine })
    const { vmId, ...rest } = order()
    expect(await cloud.create({ vmId, ...rest })).toEqual({ ref: 'i-1' })
    const [call] = of('RunInstances')
    const said = Object.fromEntries(call?.parameters ?? [])
    expect(said).toMatchObject({
      MinCount: '1',
      MaxCount: '1',
      ClientToken: clientToken(owner, vmId, 'subnet-a'),
      ImageId: 'ami-1',
      InstanceType: 'm5.large',
      InstanceInitiatedShutdownBehavior: 'terminate',
      DisableApiTermination: 'false',
      'MetadataOptions.HttpTokens': 'required',
      'MetadataOptions.HttpPutResponseHopLimit': '1',
      'IamInstanceProfile.Name': 'worker',
      KeyName: 'operator',
      'NetworkInterface.1.SubnetId': 'subnet-a',
      'NetworkInterface.1.SecurityGroupId.2': 'sg-2',
      'NetworkInterface.1.AssociatePublicIpAddress': 'false',
      'NetworkInterface.1.DeleteOnTermination': 'true',
      'BlockDeviceMapping.1.DeviceName': '/dev/xvda',
      'BlockDeviceMapping.1.Ebs.DeleteOnTermination': 'true',
      // The image was made with 30, the flavor has 20.
      'BlockDeviceMapping.1.Ebs.VolumeSize': '30',
      'BlockDeviceMapping.1.Ebs.VolumeType': 'gp3',
      'BlockDeviceMapping.1.Ebs.Encrypted': 'true',
    })
    expect(said).not.toHaveProperty('SubnetId')
    expect(call && listed(call, 'TagSpecification.2.Tag')).toContainEqual({ Key: 'project', Value: 'atlas' })
    expect(call?.headers['x-amz-security-token']).toBe('a-session')
    const [look] = of('DescribeImages')
    expect(look && listed(look, 'Filter')).toEqual([{ Name: 'name', 'Value.1': 'debian-\\*' }])
    expect(look?.parameters.get('Owner.1')).toBe('self')
  })

  it('goes as it is up to the limit, compressed beyond it, and is refused where that does not help', async () => {
    const { cloud, of } = await set()
    const sent = (): Buffer => Buffer.from(of('RunInstances').at(-1)?.parameters.get('UserData') ?? '', 'base64')
    await cloud.create(order('x'.repeat(16 * 1024)))
    expect(sent().toString()).toBe('x'.repeat(16 * 1024))
    await cloud.create(order('x'.repeat(16 * 1024 + 1)))
    expect(gunzipSync(sent()).toString()).toBe('x'.repeat(16 * 1024 + 1))
    const noise = Array.from({ length: 40 }, () => systemRandom().letters(1000)).join('')
    await expect(cloud.create(order(noise))).rejects.toMatchObject({ code: 'cloud-refused' })
    expect(of('RunInstances')).toHaveLength(2)
  })

  it('is sent once for one id at a time', async () => {
    const { cloud, of } = await set()
    const once = order()
    await Promise.all([once, once, once].map((each) => cloud.create(each)))
    expect(of('RunInstances')).toHaveLength(1)
    expect(of('DescribeImages')).toHaveLength(1)
  })

  it('whose reply was lost is looked for, and left open where it is not seen', async () => {
    const seen = order()
    const found = await set({
      RunInstances: () => 'cut',
      DescribeInstances: (_call, at) => instances(at === 0 ? [] : [{ ref: 'i-9', vmId: seen.vmId, state: 'pending' }]),
    })
    expect(await found.cloud.create(seen)).toEqual({ ref: 'i-9' })
    const unseen = await set({ RunInstances: () => 'cut' })
    await expect(unseen.cloud.create(order())).rejects.toMatchObject({ code: 'cloud-transient' })
    expect(unseen.of('DescribeInstances')).toHaveLength(2)
    expect(unseen.of('RunInstances')).toHaveLength(1)
    const silent = await set({ RunInstances: () => 'silence' }, { callMs: 3000 })
    await expect(silent.cloud.create(order())).rejects.toMatchObject({ code: 'cloud-transient' })
    expect(silent.of('DescribeInstances')).toHaveLength(2)
  })

  it('is not sent where it is unknown whether it was before', async () => {
    const { cloud, of } = await set({ DescribeInstances: () => refusal(500, 'InternalError') })
    await expect(cloud.create(order())).rejects.toMatchObject({ code: 'cloud-transient' })
    expect(of('RunInstances')).toEqual([])
  })

  it('of an id whose machine has ended makes none', async () => {
    const late = order()
    const known = await set({ DescribeInstances: () => instances([{ ref: 'i-3', vmId: late.vmId, state: 'terminated' }]) })
    expect(await known.cloud.create(late)).toEqual({ ref: 'i-3' })
    expect(known.of('RunInstances')).toEqual([])
    const forgotten = await set({ RunInstances: () => refusal(400, 'IdempotentInstanceTerminated') })
    await expect(forgotten.cloud.create(late)).rejects.toMatchObject({ code: 'cloud-refused' })
    const mismatch = await set({ RunInstances: () => refusal(400, 'IdempotentParameterMismatch') })
    await expect(mismatch.cloud.create(late)).rejects.toMatchObject({ code: 'cloud-transient' })
  })

  it('goes through the zones, with a token for each, as long as it is theirs that they cannot', async () => {
    const subnets = ['subnet-a', 'subnet-b', 'subnet-c']
    const codes = ['Unsupported', 'InsufficientInstanceCapacity', 'SpotMaxPriceTooLow']
    const machine = { subnets, securityGroups: [], tags: {} }
    const { cloud, of } = await set({ RunInstances: (_call, at) => refusal(500, codes[at] ?? 'InternalError') }, { machine })
    const made = order()
    await expect(cloud.create(made)).rejects.toMatchObject({
      code: 'cloud-capacity',
      message: expect.stringContaining('InsufficientInstanceCapacity'),
    })
    const asked = of('RunInstances').map(({ parameters }) => parameters.get('SubnetId'))
    expect(asked).toEqual(subnetsFor(made.vmId, subnets))
    expect(new Set(of('RunInstances').map(({ parameters }) => parameters.get('ClientToken'))).size).toBe(3)
    const full = await set({ RunInstances: () => refusal(400, 'VcpuLimitExceeded') }, { machine })
    await expect(full.cloud.create(order())).rejects.toMatchObject({ code: 'cloud-quota' })
    expect(full.of('RunInstances')).toHaveLength(1)
  })

  it('whose outcome is unknown goes to the same zone again, under the same token, though others come before', async () => {
    const machine = { subnets: ['subnet-a', 'subnet-b', 'subnet-c'], securityGroups: [], tags: {} }
    const full = (): Ec2Answer => refusal(500, 'InsufficientInstanceCapacity')
    const made = document('RunInstances', '<instancesSet><item><instanceId>i-1</instanceId></item></instancesSet>')
    const { cloud, of } = await set({ RunInstances: (_call, at) => [full(), 'cut' as const][at] ?? made }, { machine })
    const repeated = order()
    await expect(cloud.create(repeated)).rejects.toMatchObject({ code: 'cloud-transient' })
    expect(await cloud.create(repeated)).toEqual({ ref: 'i-1' })
    const [, unknown, again, ...more] = of('RunInstances')
    expect(again?.body).toBe(unknown?.body)
    expect(more).toEqual([])
  })

  it.each<[string, string]>([
    ['there is no image', ''],
    ['not available', image('ami-1', 'pending')],
    ['there are several of image', image('ami-1') + image('ami-2')],
  ])('for an image of which %s is refused', async (why, images) => {
    const { cloud, of } = await set({ DescribeImages: () => document('DescribeImages', `<imagesSet>${images}</imagesSet>`) })
    await expect(cloud.create(order())).rejects.toMatchObject({
      code: 'cloud-refused',
      message: expect.stringContaining(why),
    })
    expect(of('RunInstances')).toEqual([])
  })

  it.each<[string, number, string, string]>([
    ['AuthFailure', 403, 'Not authorized for images: [ami-1]', 'cloud-refused'],
    ['AuthFailure', 401, 'AWS was not able to validate the provided access credentials', 'cloud-auth'],
    ['OptInRequired', 401, 'In order to use this AWS Marketplace product you need to accept terms', 'cloud-refused'],
    ['OptInRequired', 401, 'You are not subscribed to this service', 'cloud-auth'],
    // The credential lists machines: what it may not do is order this one.
    ['UnauthorizedOperation', 403, 'You are not authorized to perform this operation.', 'cloud-refused'],
    ['VolumeTypeNotAvailableInZone', 400, 'The volume type is not available in this zone', 'cloud-refused'],
    ['RequestTimeout', 408, 'later', 'cloud-transient'],
    ['SomethingNew', 503, 'later', 'cloud-transient'],
  ])('is not mixed up with its credential or its cloud: %s with status %i, %s: %s', async (theirs, status, words, ours) => {
    const { cloud } = await set({ RunInstances: () => refusal(status, theirs, words) })
    await expect(cloud.create(order())).rejects.toMatchObject({ code: ours, message: expect.stringContaining(theirs) })
  })

  it('that is refused has its image looked up anew the next time: the name may stand for another one by now', async () => {
    const { cloud, of } = await set({
      DescribeImages: (_call, at) => document('DescribeImages', `<imagesSet>${image(`ami-${at + 1}`)}</imagesSet>`),
      RunInstances: ({ parameters }) =>
        parameters.get('ImageId') === 'ami-1'
          ? refusal(403, 'AuthFailure', 'Not authorized for images: [ami-1]')
          : document('RunInstances', '<instancesSet><item><instanceId>i-1</instanceId></item></instancesSet>'),
    })
    await expect(cloud.create(order())).rejects.toMatchObject({ code: 'cloud-refused' })
    expect(await cloud.create(order())).toEqual({ ref: 'i-1' })
    await cloud.create(order())
    expect(of('DescribeImages')).toHaveLength(2)
  })

  it('for a flavor or an image that is not in the cloud is refused', async () => {
    const { cloud } = await set()
    for (const reported of [order('', { flavor: 'other' }), { ...order(''), imageRef: undefined }]) {
      await expect(cloud.create(reported)).rejects.toMatchObject({ code: 'cloud-refused' })
    }
  })
})

describe('the end of a machine', () => {
  it('is asked for only of what bears our marks', async () => {
    const { cloud, of } = await set({
      DescribeInstances: () => instances([{ ref: 'i-1', vmId: vm('a'), of: 'another' }]),
    })
    await expect(cloud.destroy('i-1')).rejects.toMatchObject({ code: 'cloud-refused' })
    expect(of('TerminateInstances')).toEqual([])
  })

  it('is reported as EC2 reports it', async () => {
    const states = ['running', 'shutting-down', 'terminated']
    const item = '<item><currentState><name>shutting-down</name></currentState></item>'
    const { cloud, of } = await set({
      DescribeInstances: (_call, at) =>
        at < states.length
          ? instances([{ ref: 'i-1', vmId: vm('a'), state: states[at] ?? '' }])
          : refusal(400, 'InvalidInstanceID.NotFound'),
      TerminateInstances: () => document('TerminateInstances', `<instancesSet>${item}</instancesSet>`),
    })
    const answers = [1, 2, 3, 4].map(() => () => cloud.destroy('i-1'))
    const reported: string[] = []
    for (const answer of answers) reported.push(await answer())
    expect(reported).toEqual(['going', 'going', 'gone', 'gone'])
    expect(of('TerminateInstances')).toHaveLength(1)
  })
})

describe('a console', () => {
  it('is the latest, or where that cannot be had the one of the start', async () => {
    const text = Buffer.from('it boots').toString('base64')
    const { cloud } = await set({
      GetConsoleOutput: ({ parameters }) =>
        parameters.has('Latest')
          ? refusal(400, 'UnsupportedOperation')
          : document('GetConsoleOutput', `<output>${text}</output>`),
    })
    expect(await cloud.consoleLog('i-1')).toBe('it boots')
  })
})

describe('a quota', () => {
  it('is none where the account is not asked', async () => {
    const { cloud, server } = await set()
    expect(await cloud.quota()).toEqual({ vms: Infinity, cores: Infinity, memoryBytes: Infinity })
    expect(server.calls).toEqual([])
  })

  it('is what the account may have, without what others have of it', async () => {
    const value = '<item><attributeName>max-instances</attributeName><attributeValueSet><item><attributeValue>20'
    const reported = `<accountAttributeSet>${value}</attributeValue></item></attributeValueSet></item></accountAttributeSet>`
    const { cloud } = await set(
      {
        DescribeAccountAttributes: () => document('DescribeAccountAttributes', reported),
        DescribeInstances: () =>
          instances([
            { ref: 'i-1', vmId: vm('a') },
            { ref: 'i-2', vmId: vm('b'), of: 'another' },
            { ref: 'i-3', vmId: 'none', state: 'stopped' },
          ]),
      },
      { quotaFromAccount: true },
    )
    expect(await cloud.quota()).toEqual({ vms: 18, cores: Infinity, memoryBytes: Infinity })
  })
})
