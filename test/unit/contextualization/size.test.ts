/** How large a document may be, cloud by cloud, each counted as it counts. */

import { expect, it } from 'vitest'
import { fitting, sizeAt } from '../../../contextualization/size.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { seededRandom } from '../../../core/kernel/random.ts'
import { encodeUserData } from '../../../services/adapters/cloud/ec2/user-data.ts'
import { encodedUserData } from '../../../services/adapters/cloud/openstack/order.ts'
import { compileConfig } from '../../../services/run/configuration.ts'
import type { UserDataLimit } from '../../../core/model/cloud.ts'
import { checkSizes } from '../../../services/context/size-check.ts'
import { contextSources } from '../../../services/run/context-sources.ts'
import { drivers } from '../../../services/run/drivers.ts'
import { agentFiles } from './every-document.ts'

const limitOf = (kind: string): UserDataLimit => {
  const driver = drivers.find((one) => one.kind === kind)
  if (!driver) throw new Error(`no driver of ${kind}`)
  return driver.traits.userData
}

/** Hard to compress, and the same each time. */
const noise = (bytes: number): string => seededRandom(1).letters(bytes)

it.each([
  ['openstack', 49_149, true],
  ['openstack', 49_152, false],
  ['opennebula', 98_000, true],
  ['opennebula', 98_400, false],
  ['ec2', 16_384, true],
  ['ec2', 16_000, true],
  ['ec2', 30_000, false],
  ['local', 16_384, true],
  ['local', 16_385, false],
  ['ssh', 1024 ** 2, true],
] as [string, number, boolean][])('a cloud of kind %s takes %d bytes: %s', (kind, bytes, expected) => {
  const text = noise(bytes)
  const { bytes: counted, maxBytes } = sizeAt(limitOf(kind), text)
  expect(counted <= maxBytes).toBe(expected)
  if (expected) expect(fitting(kind, limitOf(kind), text)).toBe(text)
  else expect(() => fitting(kind, limitOf(kind), text)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
})

it('says of EC2 and OpenStack what their drivers will say', () => {
  const taken = (send: () => unknown): boolean => {
    try {
      send()
      return true
    } catch {
      return false
    }
  }
  for (const bytes of [100, 16_384, 16_385, 21_000, 22_000, 40_000, 49_149, 49_150]) {
    for (const text of [noise(bytes), 'word '.repeat(bytes / 5)]) {
      const fits = (kind: string): boolean => sizeAt(limitOf(kind), text).bytes <= limitOf(kind).maxBytes
      expect(taken(() => encodeUserData(text, 'creating'))).toBe(fits('ec2'))
      const order = { vmId: 'vm-abcdefgh23', userData: text } as Parameters<typeof encodedUserData>[0]
      expect(taken(() => encodedUserData(order))).toBe(fits('openstack'))
    }
  }
})

it('is checked for every image of every cloud when the service starts', () => {
  const flavors = [{ name: 'small', cores: 1, memory: '2GiB' }]
  const config = compileConfig({
    grpc: { advertise: ['pilotage.example.org:7400'], plaintext: true },
    context: {
      agents: { advertise: ['http://pilotage.example.org:7402'] },
      sites: [{ name: 'far', squid: 'managed' }],
      images: [{ name: 'large', files: [{ path: '/etc/added', from: 'noise' }] }],
    },
    clouds: [
      {
        name: 'north',
        kind: 'ec2',
        site: 'far',
        flavors,
        images: [{ name: 'large' }, { name: 'small' }],
        ec2: { region: 'r', accessKeyId: { env: 'A' }, secretAccessKey: { env: 'B' } },
      },
      { name: 'local', kind: 'local' },
    ],
  })
  const check = (text: string): readonly string[] => {
    const texts = new Map(
      [...config.context.images].flatMap(([, { files }]) => files.map(({ from }) => [from, text] as const)),
    )
    try {
      const place = { caPem: undefined, dataDir: '/data', endpoint: 'pilotage.example.org:7400', bases: [] }
      const offerings = config.clouds.flatMap((cloud) => cloud.offerings)
      checkSizes(offerings, contextSources({ config, agents: agentFiles, texts, ...place }))
      return []
    } catch (error) {
      return error instanceof PilotageError ? error.violations.map(({ path }) => path) : [String(error)]
    }
  }
  expect(check('small')).toEqual([])
  expect(check(noise(30_000))).toEqual(['the context of north with large', 'the context of north with large for squid'])
})
