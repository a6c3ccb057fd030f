/**
 * The gate of images as an installation has it: a service with a cloud that speaks EC2's language makes no machine before
 * its image is endorsed and approved, and lets it go when the image is revoked. The director would look by itself only much
 * later.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { connectPilotage, type PilotageClient } from '../../../client/pilotage-client.ts'
import { silentLog } from '../../../core/ports/log.ts'
import { systemClock, until } from '../../../core/kernel/clock.ts'
import { JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'
import { type Service, startService } from '../../../services/run/compose.ts'
import { document, type Ec2Server, openEc2Server, refusal } from '../../support/ec2-server.ts'
import { type Endorser, newEndorser } from '../../support/endorser.ts'

// Bundling the agents takes some seconds; more on a machine that has much else to do.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const patience = { withinMs: 60_000, everyMs: 100 }
const clock = systemClock()

let dir: string
let cloud: Ec2Server
let endorser: Endorser
let service: Service
let admin: PilotageClient

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-gate-'))
  cloud = await openCloud()
  endorser = newEndorser(dir)
  writeFileSync(join(dir, 'key'), 'not-a-secret\n')
  const key = { file: join(dir, 'key') }
  service = await startService({
    dataDir: join(dir, 'data'),
    log: silentLog(),
    config: {
      images: endorser.config,
      director: { interval: '5m' },
      grpc: { port: 0, plaintext: true, advertise: ['service.test:7400'] },
      context: { agents: { port: 0, advertise: ['http://service.test:7402'] } },
      clouds: [
        {
          name: 'far',
          kind: 'ec2',
          site: 'there',
          flavors: [{ name: 'small', cores: 1, memory: '1GiB' }],
          images: [{ name: 'el9' }],
          ec2: { region: 'local', endpoint: cloud.url, accessKeyId: key, secretAccessKey: key },
        },
      ],
    },
  })
  admin = connectPilotage({ server: service.server, token: service.adminToken })
})

afterEach(async () => {
  admin?.close()
  await service?.stop()
  await cloud.close()
  rmSync(dir, { recursive: true, force: true })
})

/** One machine at most, with the tags that it was ordered with. */
async function openCloud(): Promise<Ec2Server> {
  let machine = ''
  let state = 'running'
  const name = (value: string): string => `<instanceState><name>${value}</name></instanceState>`
  return openEc2Server(({ action, parameters }) => {
    switch (action) {
      case 'DescribeImages': {
        const facts = '<imageState>available</imageState><rootDeviceName>/dev/sda1</rootDeviceName>'
        return document(
          action,
          `<imagesSet><item><imageId>${parameters.get('ImageId.1')}</imageId>${facts}</item></imagesSet>`,
        )
      }
      case 'RunInstances': {
        const tags: string[] = []
        for (let at = 1; parameters.has(`TagSpecification.1.Tag.${at}.Key`); at += 1) {
          const [key, value] = ['Key', 'Value'].map((part) => parameters.get(`TagSpecification.1.Tag.${at}.${part}`))
          tags.push(`<item><key>${key}</key><value>${value}</value></item>`)
        }
        machine = `<instanceId>i-1</instanceId><tagSet>${tags.join('')}</tagSet>`
        return document(action, `<instancesSet><item>${machine}${name('pending')}</item></instancesSet>`)
      }
      case 'DescribeInstances': {
        const listed = machine === '' || state === 'terminated' ? '' : `<item>${machine}${name(state)}</item>`
        const item = listed === '' ? '' : `<item><instancesSet>${listed}</instancesSet></item>`
        return document(action, `<reservationSet>${item}</reservationSet>`)
      }
      case 'TerminateInstances': {
        state = 'terminated'
        const current = `<currentState><name>${state}</name></currentState>`
        return document(action, `<instancesSet><item><instanceId>i-1</instanceId>${current}</item></instancesSet>`)
      }
      case 'GetConsoleOutput':
        return document(action, '<instanceId>i-1</instanceId>')
      default:
        return refusal(400, 'InvalidAction')
    }
  })
}

it('makes a machine when its image may be used, and ends it when the image is revoked', async () => {
  const spec = JobSpec.fromPartial({ executable: '/bin/true', requirements: { memoryBytes: 2 ** 26 } })
  const [jobId = 0] = (await admin.submit([spec])).jobIds
  const isExplained = async (): Promise<boolean> =>
    (await admin.explain(jobId)).summary.endsWith('on far (image: image el9 is not in the catalogue)')
  expect(await until(clock, isExplained, patience)).toBe(true)
  expect(cloud.of('RunInstances')).toEqual([])

  await endorser.admit(admin, { name: 'el9', references: { far: 'id:ami-77' }, sites: ['there'] })
  expect(await until(clock, async () => cloud.of('RunInstances').length > 0, patience)).toBe(true)
  expect(cloud.of('RunInstances').map(({ parameters }) => parameters.get('ImageId'))).toEqual(['ami-77'])
  expect((await admin.images())[0]?.uses).toEqual([{ cloud: 'far', site: 'there', barred: '' }])

  const isKnown = async (): Promise<boolean> => (await admin.vms()).some(({ state }) => state === 'Requested')
  expect(await until(clock, isKnown, patience)).toBe(true)
  await admin.revokeImage('el9', 'a hole')
  expect(await until(clock, async () => cloud.of('TerminateInstances').length > 0, patience)).toBe(true)
  const [vm] = [...(await admin.vms()), ...(await admin.vms({ ended: true }))]
  expect(vm?.reason).toMatch(/image revoked: a hole \(by admin\)/)
  expect(cloud.of('RunInstances')).toHaveLength(1)
})
