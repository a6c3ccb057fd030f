/** How the EC2 driver connects: certificates, credentials, time, secrets; and what EC2's codes are to us. */

import { afterEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import type { VmOrder } from '../../../core/ports/cloud.ts'
import { silentLog } from '../../../core/ports/log.ts'
import { type Ec2Cloud, openEc2Cloud } from '../../../services/adapters/cloud/ec2/cloud.ts'
import { codeOf } from '../../../services/adapters/cloud/ec2/errors.ts'
import type { Ec2Options } from '../../../services/adapters/cloud/ec2/options.ts'
import { newAuthority } from '../../support/certificates.ts'
import { document, type Ec2Answer, type Ec2Server, openEc2Server, refusal } from '../../support/ec2-server.ts'
import { noAmounts } from '../../../core/model/resources.ts'

const secret = 'the-secret-key-of-this-test'
const session = 'the-session-token-of-this-test'
const activation = 'the-activation-key-of-this-test'

const closing: (() => void | Promise<void>)[] = []
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const close of closing.splice(0)) await close()
})

async function serve(...given: Parameters<typeof openEc2Server>): Promise<Ec2Server> {
  const server = await openEc2Server(...given)
  closing.push(server.close)
  return server
}

async function drive(endpoint: string, changes: Partial<Ec2Options> = {}): Promise<Ec2Cloud> {
  const cloud = await openEc2Cloud({
    name: 'far',
    installation: 'test',
    clock: systemClock(),
    log: silentLog(),
    references: { flavors: new Map([['small', { by: 'id', id: 'm5.large' }]]) },
    region: 'eu-west-1',
    endpoint,
    credentials: { kind: 'keys', accessKeyId: 'AKIAEXAMPLE', secretAccessKey: secret, sessionToken: session },
    machine: { subnets: [], securityGroups: [], tags: {} },
    imageOwners: ['self'],
    quotaFromAccount: true,
    callMs: 5000,
    ...changes,
  })
  closing.push(() => cloud.close())
  return cloud
}

const order: VmOrder = {
  vmId: 'vm-0123456789' as VmId,
  shape: {
    cloud: 'far',
    site: 'there',
    flavor: 'small',
    image: 'plain',
    platform: 'linux',
    tags: [],
    vos: [],
    cores: 1,
    ...noAmounts,
    memoryBytes: 2 ** 30,
    diskBytes: 2 ** 30,
    pricePerHour: 1,
  },
  imageRef: { by: 'id', id: 'ami-1' },
  userData: activation,
}

const empty = document('DescribeInstances', '<reservationSet/>')

async function failure(call: Promise<unknown>): Promise<PilotageError> {
  const thrown = await call.then(() => undefined).catch((error: unknown) => error)
  if (thrown instanceof PilotageError) return thrown
  throw new Error(`no failure of the port: ${String(thrown)}`)
}

describe('a connection', () => {
  it('is made to a server with a certificate of the given authority, and to no other', async () => {
    const [authority, other] = [newAuthority('one'), newAuthority('other')]
    const server = await serve(() => empty, authority.sign('127.0.0.1'))
    expect(await (await drive(server.url, { caPem: authority.caPem })).list()).toEqual([])
    const before = server.calls.length
    for (const changes of [{}, { caPem: other.caPem }]) {
      const { code, message } = await failure((await drive(server.url, changes)).list())
      expect([code, message]).toEqual(['cloud-transient', expect.stringMatching(/no answer \(\w*CERT|no answer \(UNABLE/)])
    }
    expect(server.calls).toHaveLength(before)
  })

  it('ends in time, whatever it is asked, and is asked no more than once', async () => {
    const server = await serve(() => 'silence')
    const cloud = await drive(server.url, { callMs: 1500 })
    const calls = [cloud.create(order), cloud.list(), cloud.destroy('i-1'), cloud.consoleLog('i-1'), cloud.quota()]
    for (const { code, message } of await Promise.all(calls.map(failure))) {
      expect([code, message]).toEqual(['cloud-transient', expect.stringContaining('no answer')])
    }
    expect(server.calls.length).toBeLessThanOrEqual(calls.length)
  })

  it('is down: that is no answer', async () => {
    const server = await openEc2Server(() => empty)
    await server.close()
    const { code, message } = await failure((await drive(server.url)).list())
    expect([code, message]).toEqual(['cloud-transient', 'listing on far: no answer (ECONNREFUSED)'])
  })

  it('goes where the configuration says, with its keys, whatever the environment says', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL', 'http://127.0.0.1:1')
    vi.stubEnv('AWS_ENDPOINT_URL_EC2', 'http://127.0.0.1:1')
    vi.stubEnv('AWS_REGION', 'mars-north-1')
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAOFTHEENVIRONMENT')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'of the environment')
    const server = await serve(() => empty)
    await (await drive(server.url)).list()
    const [call] = server.calls
    expect(call?.headers.authorization).toContain('Credential=AKIAEXAMPLE/')
    expect(call?.headers.authorization).toContain('/eu-west-1/ec2/')
    expect(call?.headers['x-amz-security-token']).toBe(session)
  })

  it('with the default chain, looks for keys once more when they have expired, and no more', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAOLD')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'old')
    const server = await serve(({ headers }) => {
      if (headers.authorization?.includes('AKIANEW')) return empty
      vi.stubEnv('AWS_ACCESS_KEY_ID', fresh)
      return refusal(400, 'RequestExpired')
    })
    let fresh = 'AKIANEW'
    expect(await (await drive(server.url, { credentials: { kind: 'chain' } })).list()).toEqual([])
    expect(server.calls).toHaveLength(2)
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAOLD')
    fresh = 'AKIAOLDER'
    const cloud = await drive(server.url, { credentials: { kind: 'chain' } })
    expect((await failure(cloud.list())).code).toBe('cloud-auth')
    expect(server.calls).toHaveLength(4)
    expect((await failure((await drive(server.url)).list())).code).toBe('cloud-auth')
    expect(server.calls).toHaveLength(5)
  })

  it('needs a package, and says so where it is not installed', async () => {
    const missing = async (): Promise<never> => {
      throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
    }
    const options = { name: 'far', region: 'x', credentials: { kind: 'chain' } } as Ec2Options
    const { code, message } = await failure(openEc2Cloud(options, missing))
    expect(code).toBe('invalid-argument')
    expect(message).toContain('@aws-sdk/client-ec2')
  })
})

describe('a failure', () => {
  it('shows no secret: not the keys, not the user data, nothing that is long enough to be one', async () => {
    const userData = Buffer.from(activation.repeat(3)).toString('base64')
    const answers: readonly Ec2Answer[] = [
      refusal(400, 'InvalidUserData.Malformed', `what is ${userData} supposed to be`),
      refusal(403, 'UnauthorizedOperation', `Encoded authorization failure message: ${'aZ0_-'.repeat(200)}`),
      refusal(400, 'InvalidParameterValue', 'word '.repeat(500)),
      { status: 502, body: `<html>${activation}</html>` },
      'cut',
    ]
    for (const answer of answers) {
      const server = await serve(({ action }) => (action === 'DescribeInstances' ? empty : answer))
      const error = await failure((await drive(server.url)).create(order))
      const all = [error.message, error.stack, JSON.stringify(error), String(error.cause)].join('\n')
      for (const hidden of [secret, session, activation, userData, 'aZ0_-'.repeat(10)]) expect(all).not.toContain(hidden)
      expect(error.message.length).toBeLessThan(600)
      expect(error.cause).toBeUndefined()
    }
  })

  it.each<[string, ReturnType<typeof codeOf>]>([
    ['AuthFailure', 'cloud-auth'],
    ['UnauthorizedOperation', 'cloud-auth'],
    ['ExpiredToken', 'cloud-auth'],
    ['RequestExpired', 'cloud-auth'],
    ['InvalidClientTokenId', 'cloud-auth'],
    ['SignatureDoesNotMatch', 'cloud-auth'],
    ['OptInRequired', 'cloud-auth'],
    ['VcpuLimitExceeded', 'cloud-quota'],
    ['InstanceLimitExceeded', 'cloud-quota'],
    ['MaxSpotInstanceCountExceeded', 'cloud-quota'],
    ['VolumeLimitExceeded', 'cloud-quota'],
    ['SomethingNewLimitExceeded', 'cloud-quota'],
    ['InsufficientInstanceCapacity', 'cloud-capacity'],
    ['InsufficientFreeAddressesInSubnet', 'cloud-capacity'],
    ['InsufficientVolumeCapacity', 'cloud-capacity'],
    ['SpotMaxPriceTooLow', 'cloud-capacity'],
    ['Unsupported', 'cloud-refused'],
    ['InvalidAMIID.NotFound', 'cloud-refused'],
    ['InvalidAMIID.Malformed', 'cloud-refused'],
    ['InvalidAMIID.Unavailable', 'cloud-refused'],
    ['InvalidSubnetID.NotFound', 'cloud-refused'],
    ['InvalidParameterValue', 'cloud-refused'],
    ['InvalidLaunchTemplateName.NotFoundException', 'cloud-refused'],
    ['MissingParameter', 'cloud-refused'],
    ['InvalidInstanceID.NotFound', 'cloud-gone'],
    ['InvalidInstanceID.Malformed', 'cloud-gone'],
    ['RequestLimitExceeded', 'cloud-transient'],
    ['Throttling', 'cloud-transient'],
    ['IdempotentParameterMismatch', 'cloud-transient'],
    ['InternalError', 'cloud-transient'],
    ['Unavailable', 'cloud-transient'],
    ['NobodyKnowsThis', 'cloud-transient'],
  ])('%s is %s', async (theirs, ours) => {
    expect(codeOf(theirs)).toBe(ours)
  })

  it('is known by its code whatever its status: a full zone answers 500', async () => {
    for (const status of [400, 403, 500, 503]) {
      const server = await serve(() => refusal(status, 'InsufficientInstanceCapacity'))
      const { code, message } = await failure((await drive(server.url)).list())
      expect([code, message]).toEqual(['cloud-capacity', expect.stringContaining('InsufficientInstanceCapacity: so it is')])
    }
  })
})
