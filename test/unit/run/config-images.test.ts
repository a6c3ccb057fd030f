import { expect, it } from 'vitest'
import type { PilotageError } from '../../../core/kernel/errors.ts'
import { compileConfig } from '../../../services/run/configuration.ts'

function wrong(raw: object): readonly string[] {
  try {
    compileConfig(raw)
    return []
  } catch (error) {
    return (error as PilotageError).violations.map(({ path, rule }) => `${path}: ${rule}`)
  }
}

it('trusts no key where nothing is said, and looks for keys beside the file', () => {
  expect(compileConfig({}).images.trusted).toEqual([])
  const { images } = compileConfig({ images: { trusted: [{ name: 'ops', file: 'ops.pub' }] } }, '/etc/pilotage')
  expect(images.trusted).toEqual([{ name: 'ops', file: '/etc/pilotage/ops.pub' }])
})

it('refuses a name that is used twice, and what has no file', () => {
  const twice = { trusted: ['a', 'b'].map((file) => ({ name: 'ops', file })) }
  expect(wrong({ images: twice })).toEqual(['images.trusted[1].name: used twice'])
  expect(wrong({ images: { trusted: [{ name: 'ops' }] } })).toEqual(['images.trusted[0].file: missing'])
})

it('refuses references of images, and says where they stand now', () => {
  const ec2 = { region: 'here', defaultChain: true }
  const cloud = { name: 'far', kind: 'ec2', flavors: [{ name: 'small', cores: 1, memory: '1GiB' }], ec2 }
  const grpc = { advertise: ['pilotage.example.org:7400'], plaintext: true }
  const context = { agents: { advertise: ['http://service:7402'] } }
  const withImage = (image: object) => ({ grpc, context, clouds: [{ ...cloud, images: [image] }] })
  expect(wrong(withImage({ name: 'el9', platform: 'el9' }))).toEqual([])
  expect(wrong(withImage({ name: 'el9', ref: 'id:ami-1' }))).toEqual(['clouds[0].images[0].ref: has no effect'])
  expect(() => compileConfig(withImage({ name: 'el9', ref: 'id:ami-1' }))).toThrow(
    expect.objectContaining({
      violations: [expect.objectContaining({ accepted: expect.stringContaining('docs/how-to/manage-images.md') })],
    }),
  )
})
