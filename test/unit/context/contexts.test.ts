/** The configuration of a VM's agents, of which previews and VMs get the same, and which Node VMs may fetch. */

import { expect, it } from 'vitest'
import type { VmId } from '../../../core/kernel/ids.ts'
import { agentConfig } from '../../../services/context/agent-config.ts'
import { compileConfig } from '../../../services/run/configuration.ts'

it('takes Node as yes, no, or a file for each platform', () => {
  const nodesOf = (node: unknown) => compileConfig({ context: { agents: { node } } }, '/etc/pilotage').context.agents.nodes
  expect([nodesOf(true), nodesOf(false)]).toEqual(['own', []])
  expect(nodesOf([{ platform: 'linux-arm64', file: 'node-arm' }])).toEqual([
    { platform: 'linux-arm64', file: '/etc/pilotage/node-arm', sha256: undefined },
  ])
  const sha256 = 'a'.repeat(64)
  expect(nodesOf([{ platform: 'linux-x64', file: 'node', sha256 }])).toEqual([
    { platform: 'linux-x64', file: '/etc/pilotage/node', sha256 },
  ])
  const twice = { platform: 'linux-x64', file: 'node' }
  for (const wrong of [
    'yes',
    {},
    [{ platform: 'mips', file: 'x' }],
    [{ platform: 'linux-x64' }],
    [twice, twice],
    [{ ...twice, sha256: 'abc' }],
  ]) {
    expect(() => nodesOf(wrong)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  }
})

it('gives spot machines, and no others, the address of the notice of a spot interruption', () => {
  const config = compileConfig({
    grpc: { advertise: ['pilotage.example.org:7400'], plaintext: true },
    context: { agents: { advertise: ['http://pilotage.example.org:7402'] } },
    clouds: [
      {
        name: 'north',
        kind: 'ec2',
        flavors: [
          { name: 'spot', cores: 1, memory: '2GiB', ref: 'properties:type=t3.small,market=spot' },
          { name: 'demand', cores: 1, memory: '2GiB', ref: 'properties:type=t3.small,market=on-demand' },
          { name: 'plain', cores: 1, memory: '2GiB', ref: 'name:t3.small' },
        ],
        images: [{ name: 'el9' }],
        ec2: { region: 'r', accessKeyId: { env: 'A' }, secretAccessKey: { env: 'B' } },
      },
    ],
  })
  const heard = config.clouds.flatMap((cloud) =>
    cloud.offerings.map((offering) => [
      offering.flavor,
      cloud.traits.interruption?.(cloud.references.flavors.get(offering.flavor))?.metadataUrl,
    ]),
  )
  expect(heard).toEqual([
    ['spot', 'http://169.254.169.254'],
    ['demand', undefined],
    ['plain', undefined],
  ])
})

it('builds the whole configuration of agents from the cloud, the offering and the settings', () => {
  const config = compileConfig({
    grpc: { advertise: ['pilotage.example.org:7400'], plaintext: true },
    context: { agents: { advertise: ['http://pilotage.example.org:7402'] } },
    clouds: [
      { name: 'here', kind: 'local', isolation: 'plain', binds: ['/software'] },
      {
        name: 'north',
        kind: 'ec2',
        isolation: 'plain',
        binds: ['/software'],
        flavors: [{ name: 'one', cores: 3, memory: '2GiB' }],
        images: [{ name: 'el9' }],
        ec2: { region: 'r', defaultChain: true },
      },
    ],
  })
  const vm = { vmId: 'vm-abcdefgh23' as VmId, activationKey: 'key', endByMs: 5 }
  const policy = { idleMs: 1, leastLifeMs: 2, deadManMs: 3 }
  const settings = { endpoint: 'a:1', caPem: 'an authority', plaintext: true, policy, dataDir: '/data' }
  const [here, north] = config.clouds.map((cloud) => {
    const [offering] = cloud.offerings
    if (!offering) throw new Error('no offering')
    return [cloud, offering] as const
  })
  if (!here || !north) throw new Error('two clouds')
  const isolation = { choice: 'plain', binds: ['/software'] }
  const { endByMs, ...identity } = vm
  const shared = { ...identity, endpoint: 'a:1', caPem: 'an authority', plaintext: undefined, powerOff: [] }
  const promised = { ...policy, endByMs, leastDiskFreeBytes: 256 * 1024 ** 2 }
  expect(agentConfig(vm, here[1], here[0], settings)).toMatchObject({
    ...{ ...shared, policy: promised, sizeFrom: 'context', isolation: { ...isolation, hidden: ['/data'] } },
    ...{ cloud: 'here', site: 'here', payloadAccounts: undefined, service: undefined },
  })
  const worker = agentConfig(vm, north[1], north[0], settings)
  expect(worker).toMatchObject({ ...shared, sizeFrom: 'machine', isolation: { ...isolation, hidden: [] } })
  expect(worker.payloadAccounts?.count).toBeGreaterThan(2)
  const squid = agentConfig(vm, { ...north[1], service: 'squid' }, north[0], { ...settings, caPem: undefined })
  expect(squid).toMatchObject({ service: { kind: 'squid', port: 3128 }, payloadAccounts: undefined, plaintext: true })
})
