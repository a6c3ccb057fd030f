import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Metadata, type sendUnaryData, type ServerUnaryCall, status } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { fieldNames, requirementFields, specFields } from '../core/language/fields.ts'
import { readImageEntry } from '../client/image-document.ts'
import { jdlRows } from '../core/language/jdl/attributes.ts'
import { readJobDocument } from '../client/job-document.ts'
import { run } from './support/run-command.ts'
import { signedText } from '../core/model/image-entry.ts'
import { errorCodes, PilotageError, type Violation } from '../core/kernel/errors.ts'
import { checkSpec } from '../core/language/check.ts'
import { silentLog } from '../core/ports/log.ts'
import { parseBytes, parseDuration } from '../core/kernel/quantities.ts'
import { rawSpecOf } from '../proto/codec/specs.ts'
import { systemClock } from '../core/kernel/clock.ts'
import type { Caller } from '../services/api/grpc/admission.ts'
import { edge } from '../services/api/grpc/edge.ts'
import { newLoads } from '../services/api/grpc/load.ts'
import { compileConfig } from '../services/run/configuration.ts'
import { siteOf } from '../sim/simulate/site.ts'
import { refusalOf } from '../services/dashboard/refusals.ts'

const root = join(import.meta.dirname, '..')

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** The rows of all tables whose first cell is code: that code, and the other cells as they stand. */
function rows(text: string): readonly (readonly string[])[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').slice(1, -1))
    .map((cells) => cells.map((cell) => cell.trim()))
    .map(([first = '', ...rest]) => [first.replaceAll('`', ''), ...rest])
}

function column(table: readonly (readonly string[])[], at: number): ReadonlyMap<string, string> {
  return new Map(table.map((cells) => [cells[0] ?? '', cells[at] ?? '']))
}

describe('docs/errors.md', () => {
  const table = rows(read('docs/errors.md')).filter(([, ...rest]) => rest.length === 4)

  it('has a line for every code, in the order of core/kernel/errors.ts', () => {
    expect(table.map(([code]) => code)).toEqual([...errorCodes])
  })

  it('states the HTTP status of each', () => {
    const stated = Object.fromEntries([...column(table, 4)].map(([code, text]) => [code, Number(text)]))
    const sent = errorCodes.map((code) => [code, refusalOf(new PilotageError(code, '')).status])
    expect(stated).toEqual(Object.fromEntries(sent))
  })

  it('states the gRPC status of each', async () => {
    const sent = await Promise.all(errorCodes.map(async (code) => [code, status[await grpcStatusOf(code)]]))
    expect(Object.fromEntries(column(table, 3))).toEqual(Object.fromEntries(sent))
  })
})

/** As the edge sends it: a call that anybody may make, and that fails. */
function grpcStatusOf(code: PilotageError['code']): Promise<status> {
  const callerOf = (): Caller => ({
    identity: undefined,
    reach: 'own',
    address: '127.0.0.1',
    load: newLoads(systemClock()).of(undefined, '127.0.0.1'),
    blame: () => {},
  })
  const handler = edge({ callerOf }, silentLog()).unary('activate', async () => {
    throw new PilotageError(code, 'as given')
  })
  return new Promise((resolve) => {
    const answer: sendUnaryData<unknown> = (error) => resolve(error?.code ?? status.OK)
    handler({ metadata: new Metadata(), request: {} } as ServerUnaryCall<unknown, unknown>, answer)
  })
}

describe('docs/jobs.md', () => {
  const table = rows(read('docs/jobs.md')).filter(([, ...rest]) => rest.length === 4)
  const defaults = column(table, 1)
  const minimums = column(table, 2)
  const maximums = column(table, 3)
  const meaning = column(table, 4)

  it('has a line for every field', () => {
    expect([...defaults.keys()].sort()).toEqual([...fieldNames].sort())
  })

  it('states the defaults that the service fills in', () => {
    const [raw] = readJobDocument('{"executable": "/usr/bin/true"}').jobs
    const violations: Violation[] = []
    const spec = raw && checkSpec(rawSpecOf(raw), 'job', violations)
    expect(violations).toEqual([])
    expect(spec?.name).toBe('true')
    const { cores, memoryBytes, diskBytes, wallMs, ...lists } = spec?.requirements ?? {}
    expect(cores).toEqual({ min: Number(defaults.get('cores')), max: Number(defaults.get('cores')) })
    expect(memoryBytes).toBe(parseBytes(defaults.get('memory') ?? ''))
    expect(diskBytes).toBe(parseBytes(defaults.get('disk') ?? ''))
    expect(wallMs).toBe(parseDuration(defaults.get('wallTime') ?? ''))
    const any = { allowed: [], banned: [] }
    expect(lists).toEqual({ platforms: [], sites: any, clouds: any, tags: [] })
    expect(spec?.priority).toBe(Number(defaults.get('priority')))
    expect(spec?.maxAttempts).toBe(Number(defaults.get('maxAttempts')))
    expect(spec?.maxMachineLosses).toBe(Number(defaults.get('maxMachineLosses')))
  })

  it('has the bounds and the sentence of the field table', () => {
    const close = (text: string): string => text.replaceAll(' ', '')
    const fields = [
      ...Object.entries(specFields),
      ...Object.values(requirementFields).map((row) => [row.name, row] as const),
    ]
    for (const [name, { type, doc }] of fields) {
      const { min, max, fallback } = type.documented
      const line = [defaults, minimums, maximums, meaning].map((stated) => stated.get(name) ?? '')
      expect([name, ...line.slice(0, 3).map(close), line[3]]).toEqual([name, ...[fallback, min, max].map(close), doc])
    }
  })

  it('shows a job that would be taken', () => {
    expect(readJobDocument(example('docs/jobs.md')).jobs).toHaveLength(1)
    expect(readJobDocument(example('README.md')).jobs).toHaveLength(2)
  })
})

/** All of DIRAC 8: `src/DIRAC/{Interfaces,WorkloadManagementSystem}/scripts`. */
const diracCommands = `cpu-normalization get-normalized-queue-length get-queue-cpu-time get-queue-normalization get-wn
  get-wn-parameters job-attributes job-delete job-get-input job-get-jdl job-get-output job-get-output-data job-kill
  job-logging-info job-parameters job-peek job-reschedule job-status job-submit jobs-select-output-search match pilot-job-info
  select-jobs`.split(/\s+/)

describe('docs/from-dirac.md', () => {
  const document = read('docs/from-dirac.md')

  it.each(diracCommands)('says what stands for dirac-wms-%s', (name) => {
    expect(document).toMatch(new RegExp(`^\\|[^|]*\`dirac-wms-${name}\``, 'm'))
  })

  it("has a line for every attribute of DIRAC's, with what it becomes", () => {
    const stated = new Map(rows(document).map(([name = '', becomes = '']) => [name, becomes]))
    const expected = jdlRows.map(({ name, also = [], becomes }) => [[name, ...also].join(', '), becomes] as const)
    expect(expected.filter(([name, becomes]) => stated.get(name) !== becomes)).toEqual([])
  })

  it('names commands that there are', async () => {
    const named = [...document.matchAll(/`pilotage ((?:[a-z]+ ?)+)/g)].map(([, name = '']) => name.trim())
    expect(named.length).toBeGreaterThan(10)
    for (const name of named) expect([name, (await run([...name.split(' '), '--help'])).code]).toEqual([name, 0])
  })
})

/** The first YAML in a document. */
function example(path: string): string {
  return /```yaml\n([\s\S]*?)```/.exec(read(path))?.[1] ?? ''
}

describe('docs/configuration.md', () => {
  const defaults = column(rows(read('docs/configuration.md')), 1)

  it('has a line for every key and no other', () => {
    const known = allKeys('', (wrong) => wrong)
    expect(known.length).toBeGreaterThan(50)
    expect([...defaults.keys()].sort()).toEqual([...known].sort())
  })

  it('states the defaults: written out, they change nothing', () => {
    const value = (key: string): string => (defaults.get(key) ?? '').replaceAll('`', '')
    const written: Record<string, Record<string, unknown>> = {}
    for (const key of defaults.keys()) {
      const [section, name, deeper] = key.split('.')
      if (section === undefined || name === undefined || deeper !== undefined || section.startsWith('clouds')) continue
      // A section that is absent by default has needed keys; what has no default cannot be written out.
      if (defaults.get(`${section}.servers`) === 'needed') continue
      if (['none', 'needed'].includes(defaults.get(key) ?? '')) continue
      written[section] = { ...written[section], [name]: plain(value(key)) }
    }
    const limits = Object.fromEntries(
      ['maxVms', 'maxCores', 'maxCreatesPerStep'].map((name) => [name, plain(value(`clouds[].limits.${name}`))]),
    )
    const of = (name: string): unknown => plain(value(`clouds[].${name}`))
    const [name, kind, site, bootDelay] = ['name', 'kind', 'site', 'local.bootDelay'].map(of)
    const cloud = { name, kind, site, local: { bootDelay }, vos: [], limits }
    expect(compileConfig({ ...written, clouds: [cloud] })).toEqual(compileConfig({}))
    expect(value('clouds[].flavors').split(', ')).toEqual([
      ...new Set(compileConfig({}).clouds.flatMap(({ offerings }) => offerings.map(({ flavor }) => flavor))),
    ])
    const small = { name: 'one', cores: 1, memory: '1GiB' }
    const same = { disk: value('clouds[].flavors[].disk'), pricePerHour: plain(value('clouds[].flavors[].pricePerHour')) }
    const image = { name: 'two', platform: value('clouds[].images[].platform'), tags: [] }
    const withFlavor = (flavor: object, one: object) =>
      compileConfig({ clouds: [{ ...cloud, flavors: [flavor], images: [one] }] })
    expect(withFlavor({ ...small, ...same, tags: [] }, image)).toEqual(withFlavor(small, { name: 'two' }))
  })
})

describe('docs/how-to/manage-images.md', () => {
  it('shows an entry that would be taken, and the bytes that are signed of it', () => {
    const text = read('docs/how-to/manage-images.md')
    const entry = readImageEntry(/```yaml entry\n([\s\S]*?)```/.exec(text)?.[1] ?? '', 'ops')
    const shown = /```text\n([\s\S]*?)\n```/.exec(text)?.[1] ?? ''
    expect(signedText({ ...entry, digest: 'sha256:2c26...', references: { north: 'id:0f9d...' } })).toBe(shown)
  })
})

describe('samples in YAML', () => {
  const paths = ['README.md', ...globSync('docs/**/*.md', { cwd: root })]
  const samples = paths.flatMap((path) =>
    [...read(path).matchAll(/^( *)```yaml(.*)\n([\s\S]*?)^ *```/gm)].map(([, , mark = '', text = '']) => {
      const { length } = text.slice(0, text.search(/\S/))
      return { path, mark: mark.trim(), text: text.replaceAll(new RegExp(`^ {${length}}`, 'gm'), '') }
    }),
  )
  const isJob = (text: string): boolean => /^ {0,2}(?:- )?executable: /m.test(text)
  const configurations = samples.filter(({ mark, text }) => mark === '' && !isJob(text))

  it('are configurations, jobs, image entries or simulated sites, and all are found', () => {
    expect(samples.filter(({ mark }) => !['', 'entry', 'site'].includes(mark))).toEqual([])
    expect(configurations.length).toBeGreaterThan(12)
    const written = paths.reduce((sum, path) => sum + (read(path).match(/^ *```ya?ml/gm)?.length ?? 0), 0)
    expect(samples).toHaveLength(written)
  })

  it('that are configurations are taken', () => {
    for (const { path, text } of configurations) expect(() => compileConfig(parse(text)), path).not.toThrow()
  })

  it('say of every cloud whose machines are elsewhere where these reach the service', () => {
    for (const { path, text } of configurations) {
      const { grpc, context, clouds } = compileConfig(parse(text))
      if (clouds.every(({ traits }) => traits.isOnThisMachine)) continue
      expect([path, grpc.advertise.length, context.agents.advertise.length]).toEqual([path, 1, 1])
    }
  })

  it('that are simulated sites are taken', () => {
    const sites = samples.filter(({ mark }) => mark === 'site')
    expect(sites.length).toBeGreaterThan(0)
    for (const { path, text } of sites) expect(() => siteOf(parse(text)), path).not.toThrow()
  })

  it('that are jobs or image entries are taken', () => {
    for (const { path, mark, text } of samples) {
      if (mark === 'entry') expect(() => readImageEntry(text, 'ops'), path).not.toThrow()
      else if (isJob(text)) expect(() => readJobDocument(text), path).not.toThrow()
    }
  })
})

/** Every key by its path: a mapping's by its own keys, a list with a line for itself. */
function allKeys(prefix: string, around: (wrong: object) => object): readonly string[] {
  return (keysOf(around) ?? []).flatMap((key) => {
    const path = `${prefix}${key}`
    const inMapping = (wrong: object) => around({ [key]: wrong })
    const inList = (wrong: object) => around({ [key]: [wrong] })
    if (keysOf(inMapping)) return allKeys(`${path}.`, inMapping)
    return keysOf(inList) ? [path, ...allKeys(`${path}[].`, inList)] : [path]
  })
}

/** A key that is like no other is refused with the list of those that there are; undefined where there are no keys. */
function keysOf(around: (wrong: object) => object): readonly string[] | undefined {
  const stranger = 'qqqqqqqqqqqqqqqqqqqq'
  try {
    compileConfig(around({ [stranger]: 1 }))
  } catch (thrown) {
    const violations = thrown instanceof PilotageError ? thrown.violations : []
    const stated = violations.find(({ path }) => path.endsWith(stranger))
    return stated?.accepted.split(', ')
  }
  throw new Error('an unknown key was taken')
}

/** Numbers as numbers, what is empty or true or false as that, everything else as text. */
function plain(text: string): unknown {
  if (text === '[]') return []
  if (text === 'true' || text === 'false') return text === 'true'
  return /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : text
}

describe('documents', () => {
  const documents = ['README.md', ...globSync('docs/**/*.md', { cwd: root })]

  it('are there', () => {
    expect(documents.length).toBeGreaterThan(15)
  })

  it('link only to what is there', () => {
    const dead = documents.flatMap((path) =>
      [...read(path).matchAll(/\]\((?!\w+:)([^)#]+)(?:#[^)]*)?\)/g)]
        .map(([, target = '']) => join(dirname(path), target))
        .filter((target) => !existsSync(join(root, target)) && !path.endsWith('template.md'))
        .map((target) => `${path} -> ${target}`),
    )
    expect(dead).toEqual([])
  })

  it('list every decision record', () => {
    const records = globSync('docs/adr/0*.md', { cwd: root }).map((path) => path.slice('docs/adr/'.length))
    const listed = [...read('docs/adr/README.md').matchAll(/\]\((0[^)]+)\)/g)].map(([, name]) => name)
    expect(listed).toEqual(records.sort())
  })

  it('give every record its four parts', () => {
    const parts = ['## Context', '## Decision', '## Rejected', '## Consequences']
    const short = globSync('docs/adr/0*.md', { cwd: root }).filter(
      (path) => !parts.every((part) => read(path).includes(part)),
    )
    expect(short).toEqual([])
  })
})
