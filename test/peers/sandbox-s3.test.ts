/** The sandbox in a bucket, against moto_server, which speaks S3 as it speaks EC2. */

import { CreateBucketCommand, CreateMultipartUploadCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { systemClock } from '../../core/kernel/clock.ts'
import { openS3, type Session } from '../../services/adapters/sandbox/s3/session.ts'
import { s3Blobs, s3Sandbox } from '../../services/adapters/sandbox/s3/s3-sandbox.ts'
import { blobsContract, contentOf } from '../contract/blobs.ts'
import { sandboxContract } from '../contract/sandbox.ts'
import type { MotoServer } from './moto-server.ts'
import { startMoto } from './servers.ts'

const clock = systemClock()
const keys = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'a secret that never shows' }
const region = 'eu-west-1'
let moto: MotoServer
let client: S3Client
let buckets = 0
const sessions: Session[] = []

beforeAll(async () => {
  moto = await startMoto()
  client = new S3Client({ region, endpoint: moto.url, credentials: keys, forcePathStyle: true })
})
afterAll(async () => {
  for (const session of sessions) session.close()
  client?.destroy()
  await moto?.stop()
})

async function open(): Promise<Session> {
  buckets += 1
  const bucket = `pilotage-${buckets}`
  await client.send(new CreateBucketCommand({ Bucket: bucket, CreateBucketConfiguration: { LocationConstraint: region } }))
  const session = await openS3({ bucket, region, endpoint: moto.url, prefix: 'grid/', pathStyle: true, keys, clock })
  sessions.push(session)
  return session
}

blobsContract('S3, by moto', async () => s3Blobs(await open()))
sandboxContract('S3, by moto', async () => s3Sandbox(await open()))

it('aborts uploads in parts that a process left, old ones alone, and its own where the content is wrong', async () => {
  const session = await open()
  const blobs = s3Blobs(session)
  const uploads = async () =>
    (await client.send(new ListMultipartUploadsCommand({ Bucket: session.bucket }))).Uploads?.length ?? 0
  const data = Buffer.alloc(9_000_000, 1)
  await expect(
    blobs.put(
      'lhcb',
      { ...contentOf(data), digest: 'f'.repeat(64) },
      (async function* () {
        yield data
      })(),
    ),
  ).rejects.toMatchObject({ code: 'invalid-argument' })
  expect(await uploads()).toBe(0)
  await client.send(new CreateMultipartUploadCommand(session.at('files/vo-lhcb/left')))
  // moto says of every upload that it began in 2010.
  await blobs.sweep(1_000_000_000_000)
  expect(await uploads()).toBe(1)
  await blobs.sweep(clock.nowMs() + 3_600_000)
  expect(await uploads()).toBe(0)
})

it('is unavailable where the store refuses or is not there, and says neither address nor key', async () => {
  const absent = await openS3({ bucket: 'no-such', region, endpoint: moto.url, prefix: '', pathStyle: true, keys, clock })
  sessions.push(absent)
  const data = Buffer.from('x')
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield data
  }
  const refused = s3Blobs(absent).put('lhcb', contentOf(data), pieces())
  await expect(refused).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('NoSuchBucket') })
  const error = await refused.catch((thrown: Error) => thrown)
  expect(String(error)).not.toContain(moto.url)
})
