/**
 * Whole numbers above 2^53, in every place of every request: each is a wrong field with its path, and no message is refused
 * without saying which number it is.
 */

import { create, type DescField, type DescMessage, type Message, ScalarType, toBinary } from '@bufbuild/protobuf'
import { reflect } from '@bufbuild/protobuf/reflect'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { JobServiceService } from '../../../proto/gen/pilotage/v1/job.ts'
import { OperateServiceService } from '../../../proto/gen/pilotage/v1/operate.ts'
import { VmServiceService } from '../../../proto/gen/pilotage/v1/vm.ts'
import { contractTypes } from '../../../services/api/grpc/descriptors.ts'
import { unsafeNumbers } from '../../../services/api/grpc/unsafe-numbers.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'

const wide = 2n ** 60n

function typeOf(name: string): DescMessage {
  const type = contractTypes().getMessage(`pilotage.v1.${name}`)
  if (!type) throw new Error(`no message ${name}`)
  return type
}

type Step = { readonly field: DescField; readonly path: string }

/** Every way from a message to a number of 64 bits; no message of the contract holds itself. */
function waysIn(type: DescMessage): readonly (readonly Step[])[] {
  return type.fields.flatMap((field): (readonly Step[])[] => {
    const path = field.fieldKind === 'list' ? `${field.name}[0]` : field.name
    const isWide = field.scalar === ScalarType.UINT64 || field.scalar === ScalarType.INT64
    if (isWide && field.fieldKind !== 'map') return [[{ field, path }]]
    if (!field.message || field.fieldKind === 'map') return []
    return waysIn(field.message).map((way) => [{ field, path }, ...way])
  })
}

/** A message that has nothing but the number at the end of the way. */
function messageWith(type: DescMessage, [step, ...rest]: readonly Step[]): Message {
  const message = reflect(type, create(type))
  if (!step) return message.message
  const { field } = step
  const inside = field.message ? reflect(field.message, messageWith(field.message, rest)) : wide
  if (field.fieldKind === 'list') message.get(field).add(inside)
  else message.set(field, inside)
  return message.message
}

const services = [JobServiceService, VmServiceService, OperateServiceService]
const requests = [
  ...new Set(
    services.flatMap((service) =>
      Object.values(service).map(({ path }) => {
        const [, name = '', method] = path.split('/')
        const found = contractTypes()
          .getService(name)
          ?.methods.find((each) => each.name === method)
        if (!found) throw new Error(`no method ${path}`)
        return found.input
      }),
    ),
  ),
]
const ways = requests.flatMap((type) =>
  waysIn(type).map((way) => ({ type, way, path: way.map((step) => step.path).join('.') })),
)

describe('a number beyond 2^53', () => {
  it('may stand in many places of requests', () => {
    expect(ways.map(({ path }) => path)).toContain('jobs[0].requirements.memory_bytes')
    expect(ways.length).toBeGreaterThan(30)
  })

  it.each(ways)('is found in $type.name: $path', ({ type, way, path }) => {
    const bytes = toBinary(type, messageWith(type, way))
    expect(unsafeNumbers(type.typeName, bytes)).toEqual([
      { path, value: String(wide), rule: 'out of range', accepted: 'a whole number of at most 9007199254740991' },
    ])
  })

  it('is found among others, packed or not, and counted on from the piece before', () => {
    const type = typeOf('SteerJobsRequest')
    const packed = Buffer.from([0x0a, 12, 1, ...varint(wide), 2, 3])
    const single = Buffer.from([0x08, 1, 0x08, ...varint(wide)])
    const pathsIn = (bytes: Buffer, before = {}) => unsafeNumbers(type.typeName, bytes, before).map(({ path }) => path)
    expect(pathsIn(packed)).toEqual(['job_ids[1]'])
    expect(pathsIn(single)).toEqual(['job_ids[1]'])
    expect(pathsIn(Buffer.concat([packed, single]))).toEqual(['job_ids[1]', 'job_ids[5]'])
    expect(pathsIn(single, { job_ids: 250 })).toEqual(['job_ids[251]'])
  })

  it('is none in bytes that are no message, in unknown fields and in smaller numbers', () => {
    for (const hex of ['ffffffffffffffff', '0a7f01', '', '08', '0807', `f83f${'ff'.repeat(7)}0f`]) {
      expect(unsafeNumbers('pilotage.v1.SteerJobsRequest', Buffer.from(hex, 'hex')), hex).toEqual([])
    }
  })

  it('is named a hundred times, and no more', () => {
    const bytes = Buffer.concat(Array.from({ length: 1000 }, () => Buffer.from([0x08, ...varint(wide)])))
    expect(unsafeNumbers('pilotage.v1.SteerJobsRequest', bytes)).toHaveLength(100)
  })
})

function varint(value: bigint): number[] {
  const bytes: number[] = []
  for (let left = value; ; left >>= 7n) {
    if (left < 128n) return [...bytes, Number(left)]
    bytes.push(Number(left & 127n) | 128)
  }
}

describe('a request with one', () => {
  let api: ApiInParts
  let token: string
  beforeAll(async () => {
    api = await startApiInParts()
    const owner = { vo: 'lhcb', group: 'users', owner: 'ada' }
    token = await api.tokenFor({ kind: 'user', owner, roles: ['user'] })
  })
  afterAll(() => api.stop())

  it.each([
    ['of a submission', 0],
    ['in a later piece of a large submission', 700],
  ])('is refused with the path %s', async (_, jobsBefore) => {
    const type = typeOf('SubmitJobsRequest')
    const way = waysIn(type).find((steps) => steps.at(-1)?.field.name === 'memory_bytes') ?? []
    // JobSpec { executable: "true" }
    const good = Buffer.from([0x0a, 6, 0x12, 4, ...Buffer.from('true')])
    const bytes = Buffer.concat([...Array.from({ length: jobsBefore }, () => good), toBinary(type, messageWith(type, way))])
    const { error } = await api.raw.bytes(JobServiceService.submitJobs.path, [bytes], { token })
    const path = `jobs[${jobsBefore}].requirements.memory_bytes`
    expect(error).toMatchObject({ code: 'invalid-argument', text: `one field is wrong: ${path}: out of range` })
    expect(error?.violations).toMatchObject([{ path, value: '1152921504606846976' }])
  })
})
