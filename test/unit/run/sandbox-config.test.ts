import { describe, expect, it } from 'vitest'
import type { PilotageError } from '../../../core/kernel/errors.ts'
import { compileConfig } from '../../../services/run/configuration.ts'

const mongo = { kind: 'mongo', url: 'mongodb://127.0.0.1:27017/?replicaSet=rs' }
const keys = { accessKeyId: { env: 'KEY' }, secretAccessKey: { file: 'secret' } }
const s3 = { bucket: 'jobs', region: 'eu-west-1', ...keys }

function refused(config: object): readonly string[] {
  try {
    compileConfig(config)
    return []
  } catch (thrown) {
    return (thrown as PilotageError).violations.map(({ path, rule }) => `${path}: ${rule}`)
  }
}

describe('the home of a sandbox', () => {
  it('follows the store, unless a bucket is named', () => {
    expect(compileConfig({}).sandbox).toMatchObject({ kind: 'files', maxBytesPerOwner: 100 * 1024 ** 3 })
    expect(compileConfig({ store: mongo }).sandbox.kind).toBe('gridfs')
    expect(
      compileConfig({ sandbox: { kind: 's3', maxBytesPerOwner: '1TiB', s3: { ...s3, prefix: 'a/b/' } } }).sandbox,
    ).toEqual({
      kind: 's3',
      maxBytesPerOwner: 1024 ** 4,
      s3: {
        bucket: 'jobs',
        region: 'eu-west-1',
        prefix: 'a/b/',
        pathStyle: true,
        keys: { accessKeyId: { env: 'KEY' }, secretAccessKey: { file: expect.stringMatching(/\/secret$/) } },
      },
    })
  })

  it.each<[object, readonly string[]]>([
    [{ store: mongo, sandbox: { kind: 'files' } }, ['sandbox.kind: beside store.kind: mongo']],
    [{ sandbox: { kind: 'gridfs' } }, ['sandbox.kind: beside store.kind: sqlite']],
    [{ sandbox: { kind: 's3' } }, ['sandbox.s3: missing']],
    [{ sandbox: { s3 } }, ['sandbox.s3: of another kind']],
    [
      { sandbox: { kind: 's3', s3: { bucket: 'b', region: 'r' } } },
      ['sandbox.s3.accessKeyId: missing', 'sandbox.s3.secretAccessKey: missing'],
    ],
    [
      { sandbox: { kind: 's3', s3: { ...s3, defaultChain: true } } },
      ['sandbox.s3.accessKeyId: beside defaultChain', 'sandbox.s3.secretAccessKey: beside defaultChain'],
    ],
    [{ sandbox: { kind: 's3', s3: { ...s3, endpoint: 'http://s3.example.org' } } }, ['sandbox.s3.endpoint: not an address']],
    [
      { sandbox: { kind: 's3', s3: { ...s3, endpoint: 'https://a:b@s3.example.org' } } },
      ['sandbox.s3.endpoint: not an address'],
    ],
    [{ sandbox: { kind: 's3', s3: { ...s3, endpoint: 'http://s3.example.org', plaintext: true } } }, []],
    [{ sandbox: { kind: 's3', s3: { ...s3, endpoint: 'http://127.0.0.1:9000' } } }, []],
    [{ sandbox: { kind: 's3', s3: { ...s3, prefix: '/a' } } }, ['sandbox.s3.prefix: not a prefix']],
    [
      { sandbox: { kind: 's3', s3: { ...s3, secretAccessKey: 'here it is' } } },
      ['sandbox.s3.secretAccessKey: a secret has no place here'],
    ],
  ])('%j: %j', (config, rules) => {
    expect(refused(config)).toEqual(rules)
  })
})
