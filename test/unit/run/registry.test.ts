/**
 * One folder and one line in the registry are all that a new kind of cloud needs: a driver of the tests goes the whole way.
 */

import { expect, it } from 'vitest'
import { sizeAt } from '../../../contextualization/size.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { silentLog } from '../../../core/ports/log.ts'
import { configReader } from '../../../services/config/document.ts'
import { checkSizes, exampleVm } from '../../../services/context/size-check.ts'
import { vmContext } from '../../../services/context/vm-context.ts'
import { contextSources } from '../../../services/run/context-sources.ts'
import { drivers } from '../../../services/run/drivers.ts'
import type { Installation } from '../../../services/run/installation.ts'
import { openCloud, readSecretsFor } from '../../../services/run/ports.ts'
import { driver, opened } from '../../support/memory-driver.ts'
import { memoryKeep } from '../../support/memory-keep.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const known = [...drivers, driver]
const { compileConfig, jsonSchema } = configReader(known)
const grpc = { advertise: ['pilotage.example.org:7400'], plaintext: true }
const advertise = ['http://pilotage.example.org:7402']
const flavor = { name: 'one', cores: 2, memory: '4GiB' }

function configured(memory: object | undefined, more: object = {}) {
  const cloud = { name: 'row', kind: 'memory', flavors: [flavor], images: [{ name: 'el9' }], memory, ...more }
  return compileConfig({ grpc, context: { agents: { advertise } }, clouds: [cloud] }, '/etc/pilotage')
}

function wrong(memory: object | undefined, more: object = {}): readonly string[] {
  try {
    configured(memory, more)
    return []
  } catch (thrown) {
    if (!(thrown instanceof PilotageError)) throw thrown
    return thrown.violations.map(({ path, value, rule, accepted }) => `${path}: ${value}: ${rule}: ${accepted}`)
  }
}

const password = { env: 'WORD' }

it('has its keys read, checked and described', () => {
  expect(configured({ password: { file: 'word' } }).clouds[0]?.driver).toEqual({
    kind: 'memory',
    options: { rows: 2, password: { file: '/etc/pilotage/word' } },
  })
  expect(wrong(undefined)).toEqual(['clouds[0].memory: nothing: missing: its keys'])
  expect(wrong({ password, rows: 11 })).toEqual(['clouds[0].memory.rows: 11: out of range: a whole number from 1 to 10'])
  expect(wrong({ password, row: 1 })).toEqual(['clouds[0].memory.row: row: unknown key: rows?'])
  const flavors = ['a', 'b', 'c'].map((name) => ({ ...flavor, name }))
  expect(wrong({ password }, { flavors })).toEqual(['clouds[0].memory.rows: 2: too few: one per flavor or more'])
  expect(wrong({ password }, { kind: 'local' }).join()).toContain('clouds[0].memory: memory: of another kind')
  expect(JSON.stringify(jsonSchema())).toContain('"rows"')
})

it('has its secrets read, and is opened with them', async () => {
  const config = configured({ password })
  const secrets = readSecretsFor(config, ['director'], { WORD: 'hush' }, known)
  expect(() => readSecretsFor(config, ['director'], {}, known)).toThrow(
    expect.objectContaining({ violations: [expect.objectContaining({ path: 'clouds.row.memory.password' })] }),
  )
  const [cloud] = config.clouds
  if (!cloud) throw new Error('no cloud')
  const installation = { name: 'here', path: (name: string) => `/data/${name}` } as Installation
  const given = { installation, clock: virtualClock(), log: silentLog(), secrets, notes: memoryKeep() }
  const opening = await openCloud(cloud, given, known)
  expect(opening.name).toBe('row')
  expect(opened.at(-1)).toMatchObject({ name: 'row', installation: 'here', secrets: { password: 'hush' } })
})

it('gets contexts within the size that its traits state', () => {
  const config = configured({ password })
  const program = { path: '/a', sha256: 'a'.repeat(64) }
  const place = { texts: new Map(), caPem: undefined, dataDir: '/data', endpoint: 'a:1', bases: advertise }
  const sources = contextSources({ config, agents: { pilot: program, monitor: program }, ...place })
  const [offering] = config.clouds[0]?.offerings ?? []
  if (!offering) throw new Error('no offering')
  const { text, limit } = vmContext({ vm: exampleVm(2e12), offering, squids: [] }, sources)
  expect(text).toMatch(/^#cloud-config\n/)
  expect(sizeAt(limit, text)).toMatchObject({ maxBytes: 20_000, form: 'in base64' })
  const small = { ...driver, traits: { ...driver.traits, userData: { maxBytes: 100, counted: 'plain' as const } } }
  const tight = { ...sources, clouds: new Map(config.clouds.map((one) => [one.name, { ...one, traits: small.traits }])) }
  expect(() => checkSizes([offering], tight)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
  expect(() => checkSizes([offering], sources)).not.toThrow()
})
