/** What machines are told beside their documents' form: which hear of interruptions, and which Node they may fetch. */

import { expect, it } from 'vitest'
import { compileConfig } from '../../services/config.ts'
import { interruptionOf } from '../../services/contexts.ts'

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
