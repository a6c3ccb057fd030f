/**
 * Which connections to a store and a broker are plain, compared with what MongoDB's own driver makes of the same address.
 */

import fc from 'fast-check'
import { MongoClient } from 'mongodb'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { compileConfig } from '../../../services/run/configuration.ts'
import { isMongoUrl, isPlainMongo, plainNats } from '../../../services/config/plaintext.ts'
import { mongoUrl } from '../../../services/run/mongo-access.ts'
import { readSecrets } from '../../../services/run/secrets.ts'

function violations(read: () => unknown): readonly string[] {
  try {
    read()
    return []
  } catch (error) {
    if (error instanceof PilotageError) return error.violations.map(({ path, rule }) => `${path}: ${rule}`)
    throw error
  }
}

describe('MongoDB', () => {
  it.each([
    'mongodb://localhost',
    'mongodb://127.0.0.1:27017,127.0.0.2:27018,[::1]:27019/?replicaSet=rs0',
    'mongodb://ada:hush@localhost:27017/db?authSource=admin',
    'mongodb://%2Ftmp%2Fmongodb-27017.sock',
    'mongodb://db-1.example,db-2.example/?replicaSet=rs0&tls=true',
    'mongodb://ada:p%40ss%2Fword@db.example/?ssl=true&tlsCAFile=/etc/ca.crt',
    'mongodb://db.example/?TLS=true',
    'mongodb+srv://ada:hush@cluster.example/db?retryWrites=true',
    'mongodb://db.example/?tls=true&tlsInsecure=false',
  ])('may be reached by %s', (url) => {
    expect([isMongoUrl(url), isPlainMongo(url)]).toEqual([true, false])
  })

  it.each([
    'mongodb://db.example',
    'mongodb://10.0.0.7:27017/?replicaSet=rs0',
    'mongodb://localhost,db.example/?replicaSet=rs0',
    'mongodb://[2001:db8::1]:27017',
    'mongodb://127.0.0.1.example',
    'mongodb://db.example/?tls=false',
    'mongodb://db.example/?x=tls=true',
    'mongodb://db.example/#?tls=true',
    'mongodb://tls=true@db.example/',
    'mongodb://db.example/tls=true',
    'mongodb+srv://cluster.example/?tls=false',
    'mongodb+srv://localhost/?ssl=false',
    'mongodb://db.example/?tls=true&tlsInsecure=true',
    'mongodb://db.example/?tls=true&tlsAllowInvalidCertificates=true',
    'mongodb://db.example/?tls=true&tlsallowinvalidhostnames=true',
    'mongodb://localhost/?proxyHost=proxy.example',
    'mongodb://db.example%2F.sock',
  ])('is plain by %s', (url) => {
    expect(isPlainMongo(url)).toBe(true)
  })

  it('is never taken for encrypted or local where its driver would speak in plain to another machine', () => {
    const option = fc
      .tuple(
        fc.constantFrom('tls', 'ssl', 'TLS', 'tlsInsecure', 'tlsAllowInvalidCertificates', 'replicaSet', 'appName', 'x'),
        fc.constantFrom('true', 'false', 'tls=true', ''),
      )
      .map(([key, value]) => `${key}=${value}`)
    const host = fc.constantFrom(
      'localhost',
      '127.0.0.1:1',
      '[::1]:1',
      '%2Ftmp%2Fa.sock',
      'db.example',
      'tls=true',
      '10.0.0.1',
    )
    const url = fc
      .record({
        scheme: fc.constantFrom('mongodb', 'mongodb+srv'),
        account: fc.constantFrom('', 'ada:hush@', 'ada:tls%3Dtrue@', '?tls=true@', '#@'),
        hosts: fc.array(host, { minLength: 1, maxLength: 3 }),
        path: fc.constantFrom('', '/', '/db', '/#', '/?', '/db?', '?', '/db#?'),
        options: fc.array(option, { maxLength: 3 }),
      })
      .map(({ scheme, account, hosts, path, options }) => `${scheme}://${account}${hosts.join()}${path}${options.join('&')}`)
    fc.assert(
      fc.property(url, (text) => {
        if (isPlainMongo(text)) return
        const driver = optionsOf(text)
        if (!driver) return
        const isChecked = driver.tls && driver.rejectUnauthorized !== false && driver.checkServerIdentity === undefined
        const isHere = !text.includes('+srv') && driver.hosts.every((one) => /^(localhost|127\.|::1|\/|$)/.test(one))
        expect(isChecked || isHere, text).toBe(true)
      }),
      { numRuns: 3000 },
    )
  })

  it('is refused in the configuration and out of a file, unless the operator says that the network is private', () => {
    const url = 'mongodb://db.example:27017/?replicaSet=rs0'
    const store = { kind: 'mongo', url }
    expect(violations(() => compileConfig({ store }))).toEqual(['store.url: not encrypted'])
    expect(violations(() => compileConfig({ store: { ...store, plaintext: true } }))).toEqual([])
    expect(violations(() => compileConfig({ store: { plaintext: true } }))).toEqual(['store.plaintext: of another kind'])
    const directory = mkdtempSync(join(tmpdir(), 'pilotage-plaintext-'))
    try {
      const urlFile = join(directory, 'url')
      const readFrom = (plaintext: boolean) => () => {
        const reader = readSecrets()
        const read = mongoUrl({ kind: 'mongo', urlFile, database: 'pilotage', plaintext }, reader)
        reader.settle()
        return read
      }
      writeFileSync(urlFile, 'mongodb://ada:hush@db.example/\n')
      expect(violations(readFrom(false))).toEqual(['store.urlFile: not encrypted'])
      expect(readFrom(true)()).toBe('mongodb://ada:hush@db.example/')
      writeFileSync(urlFile, 'mongodb://ada:hush@db.example/?tls=true\n')
      expect(readFrom(false)()).toContain('tls=true')
      writeFileSync(urlFile, 'ada:hush\n')
      expect(violations(readFrom(true))).toEqual(['store.urlFile: does not hold what it should'])
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
})

/** What the driver would connect to; undefined: it refuses the address. Nothing is connected. */
function optionsOf(url: string) {
  try {
    const { hosts, tls, rejectUnauthorized, checkServerIdentity } = new MongoClient(url).options
    const names = hosts.map(({ host, socketPath }) => host ?? socketPath ?? '')
    return { hosts: names, tls, rejectUnauthorized, checkServerIdentity }
  } catch {
    return undefined
  }
}

describe('NATS', () => {
  it.each<[readonly string[], string | undefined, readonly string[]]>([
    [['nats://127.0.0.1:4222', 'localhost:4222', '[::1]:4222'], undefined, []],
    [['nats://nats.example:4222', 'localhost:4222'], undefined, ['nats://nats.example:4222']],
    [['10.0.0.1:4222'], undefined, ['10.0.0.1:4222']],
    [['127.0.0.1.example:4222'], undefined, ['127.0.0.1.example:4222']],
    [['nats.example:4222'], '/etc/ca.crt', []],
    [['tls://nats.example:4222'], undefined, []],
  ])('%j with the authority %s', (servers, caFile, plain) => {
    expect(plainNats(servers, caFile)).toEqual(plain)
  })

  it('is refused in the configuration unless the operator says that the network is private', () => {
    const servers = ['nats://nats.example:4222']
    const nats = { servers, user: 'ada', passwordFile: 'p' }
    expect(violations(() => compileConfig({ nats }))).toEqual(['nats.servers[0]: not encrypted'])
    expect(violations(() => compileConfig({ nats: { ...nats, plaintext: true } }))).toEqual([])
    expect(violations(() => compileConfig({ nats: { ...nats, caFile: 'ca.crt' } }))).toEqual([])
    expect(violations(() => compileConfig({ nats: { ...nats, caFile: 'ca.crt', plaintext: true } }))).toEqual([
      'nats.plaintext: beside TLS',
    ])
  })
})
