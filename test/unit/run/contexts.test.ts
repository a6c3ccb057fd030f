/** What machines are told beside their documents' form: which hear of interruptions, and which Node they may fetch. */

import { expect, it } from 'vitest'
import { compileConfig } from '../../../services/config/document.ts'
import { interruptionOf } from '../../../services/context/contexts.ts'

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

it('lets machines bought on the market hear that they are taken back, and no others', () => {
  const config = compileConfig({
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
    cloud.offerings.map((offering) => [offering.flavor, interruptionOf(cloud, offering)?.metadataUrl]),
  )
  expect(heard).toEqual([
    ['spot', 'http://169.254.169.254'],
    ['demand', undefined],
    ['plain', undefined],
  ])
})
