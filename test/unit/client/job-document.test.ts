import fc from 'fast-check'
import { expect, it } from 'vitest'
import { readJobDocument } from '../../../client/job-document.ts'
import { readJobStream } from '../../../client/job-stream.ts'
import { parseBytes, parseDuration } from '../../../core/kernel/quantities.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'

const refused = (text: string): PilotageError => {
  try {
    readJobDocument(text)
  } catch (thrown) {
    if (thrown instanceof PilotageError) return thrown
    throw thrown
  }
  throw new Error('expected a refusal')
}

it('reads a whole job', () => {
  const text = `
name: render
executable: /usr/bin/render
arguments: [--frame, "17"]
environment: { SCENE: "a b", EMPTY: "" }
cores: { min: 2, max: 8 }
memory: 1.5GiB
disk: 10 GB
wallTime: 1h30m
platforms: [el9]
sites: { allowed: [cern], banned: [ral] }
clouds: [one]
tags: [gpu]
priority: 3
maxAttempts: 2
maxMachineLosses: 20
`
  expect(readJobDocument(text).jobs).toEqual([
    {
      name: 'render',
      executable: '/usr/bin/render',
      arguments: ['--frame', '17'],
      environment: { SCENE: 'a b', EMPTY: '' },
      requirements: {
        cores: { min: 2, max: 8 },
        memoryBytes: 1.5 * 1024 ** 3,
        diskBytes: 10_000_000_000,
        wallMs: 5_400_000,
        platforms: ['el9'],
        sites: { allowed: ['cern'], banned: ['ral'] },
        clouds: { allowed: ['one'], banned: [] },
        tags: ['gpu'],
        ...{ tagExpression: '', os: undefined, architecture: undefined, glibc: '', containers: [], diskRate: 0 },
        ...{ memoryPerCoreBytes: 0, memoryLimitBytes: 0, memoryLimitPerCoreBytes: 0, cpuWorkMs: 0, wholeNode: false },
        ...{ gpus: undefined, alternatives: [] },
      },
      priority: 3,
      maxAttempts: 2,
      maxMachineLosses: 20,
      jobGroup: '',
      jobType: '',
      jobIdMark: '',
      after: [],
      inputFiles: [],
      outputFiles: [],
    },
  ])
})

it('refuses a second document, whose jobs would be lost', () => {
  for (const text of ['executable: a\n---\nexecutable: b\n', '[{executable: a}]\n...\n---\nexecutable: b']) {
    const [violation] = refused(text).violations
    expect(violation?.path).toBe('the document')
    expect(violation?.rule).toMatch(/^a second document begins at line [23], column \d+$/)
    expect(violation?.accepted).toContain('one YAML or JSON document')
  }
  // Nothing is lost with an empty one.
  expect(readJobDocument('---\nexecutable: a\n---\n# the end\n').jobs).toHaveLength(1)
})

it.each([
  ['brackets that close nothing', (size: number) => `{"executable": "a"${'}'.repeat(size)}`],
  ['lists after a list', (size: number) => `a: ${'[d]'.repeat(size)}`],
  ['texts after a text', (size: number) => `a: ${'"b" '.repeat(size)}`],
  ['keys', (size: number) => `- a:\n${Array.from({ length: size / 4 }, (_, at) => `  K${at}: a\n`).join('')}`],
])('reads in linear time: %s', (_, make) => {
  // What the thread has used of a processor: a busy machine lets it wait for one.
  const shortest = (text: string): number => {
    const times = [1, 2, 3].map(() => {
      const before = process.threadCpuUsage()
      refused(text)
      return process.threadCpuUsage(before).user
    })
    return Math.max(1000, Math.min(...times))
  }
  // 64 times as long where it is quadratic, 8 times where it is linear.
  expect(shortest(make(24_000)) / shortest(make(3000))).toBeLessThan(30)
})

it('reads JSON and YAML, one job and a list, to the same', () => {
  const json = readJobDocument('[{"executable": "true", "cores": 2}]').jobs
  expect(json).toEqual(readJobDocument('executable: "true"\ncores: 2\n').jobs)
  expect(json).toEqual(readJobDocument('[{executable: "true", cores: 2}] # flow style').jobs)
})

it.each([
  // document, path, part of the rule, part of what is accepted
  ['executable: x\ncores: 0', 'cores', 'whole number', '1 to 1024'],
  ['executable: x\ncores: 2.5', 'cores', 'whole number', '1 to 1024'],
  ['executable: x\ncores: 5000000000', 'cores.min', 'out of range', '1 to 1024'],
  ['executable: x\ncores: {min: 4, max: 2}', 'cores.max', 'below cores.min', '4 to 1024'],
  ['executable: x\ncores: {most: 4}', 'cores.most', 'no such field', 'min, max'],
  ['executable: x\nmemory: 2', 'memory', 'whole bytes', '2GiB'],
  ['executable: x\nmemory: 2XB', 'memory', 'whole bytes', '2GiB'],
  ['executable: x\nmemory: 1MiB', 'memory', 'out of range', '16 MiB to'],
  ['executable: x\nwallTime: 90', 'wallTime', 'duration', '1h30m'],
  ['executable: x\nwallTime: 400d', 'wallTime', 'out of range', '1 s to'],
  ['executable: x\nmemmory: 2GiB', 'memmory', 'no such field', 'memory, perhaps'],
  ['executable: x\nwall_time: 2h', 'wall_time', 'no such field', 'wallTime, perhaps'],
  ['executable: x\nzzz: 2h', 'zzz', 'no such field', 'executable'],
  ['executable: x\narguments: [1]', 'arguments[0]', 'quotes', 'characters'],
  ['executable: x\narguments: one', 'arguments', 'list', 'first'],
  ['executable: x\nenvironment: {A: 1}', 'environment.A', 'quotes', 'characters'],
  ['executable: x\nenvironment: {1A: "x"}', 'environment.1A', 'variable name', 'not beginning with a digit'],
  ['{"executable": "x", "environment": {"__proto__": "y"}}', 'environment.__proto__', 'variable name', 'not __proto__'],
  ['executable: x\nenvironment: {PILOTAGE_CORES: "9"}', 'environment.PILOTAGE_CORES', 'variable name', 'PILOTAGE_'],
  ['executable: x\ntags: [a, "b c"]', 'tags[1]', 'a name', 'letters, digits'],
  ['executable: x\nname: "a\\nb"', 'name', 'not a name', 'printable'],
  ['executable: x\nsites: {only: [a]}', 'sites.only', 'no such field', 'allowed, banned'],
  ['executable: x\npriority: 10', 'priority', 'out of range', '0 to 9'],
  ['executable: x\nmaxAttempts: 0', 'maxAttempts', 'whole number', '1 to 10'],
  ['executable: ""', 'executable', 'a text', '1 to 4096'],
  ['name: x', 'executable', 'every job has one', 'path'],
  ['- executable: x\n- 7', 'jobs[1]', 'mapping', 'executable'],
  ['[]', 'the document', 'at least one', 'one job'],
  ['', 'the document', 'mapping', 'executable'],
  ['a: b: c', 'the document', '', 'YAML or JSON'],
  ['executable: x\nexecutable: y', 'the document', 'unique', 'YAML or JSON'],
  ['executable: x\nname: !!js/function "f"', 'the document', 'tag', 'YAML or JSON'],
])('refuses %j at %s', (text, path, rule, accepted) => {
  const error = refused(text)
  expect(error.code).toBe('invalid-argument')
  expect(error.violations).toHaveLength(1)
  expect(error.violations[0]).toMatchObject({ path })
  expect(error.violations[0]?.rule).toContain(rule)
  expect(error.violations[0]?.accepted).toContain(accepted)
})

it.each(['a: b: c', 'executable: [unclosed', 'executable: x\n  name: y', '[{"executable": "x"},\n\n oops:\n'])(
  'says on one line why %j cannot be read',
  (text) => {
    const [violation] = refused(text).violations
    expect(violation?.rule).toMatch(/line \d+|position \d+|Unexpected/)
    expect(violation?.rule).toMatch(/^[^\n]*[^:\s]$/)
  },
)

it('lists every wrong field at once, the first hundred of a million', () => {
  const several = refused('executable: 1\ncores: 0\nmemory: 2\ncolour: red\n')
  expect(several.violations.map(({ path }) => path)).toEqual(['executable', 'cores', 'memory', 'colour'])
  const million = refused(JSON.stringify(new Array(1_000_000).fill(7)))
  expect(million.violations).toHaveLength(100)
  expect(million.message).toContain('1000000 fields')
})

it('is bounded before it parses', () => {
  expect(refused(`name: ${'x'.repeat(16 * 1024 * 1024)}`).code).toBe('too-large')
  const laughs = `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghi'
    .split('')
    .map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(',')}]`)
    .join('\n')}`
  expect(refused(laughs).violations[0]?.rule).toMatch(/alias/i)
  expect(refused('['.repeat(100_000)).code).toBe('invalid-argument')
  expect(refused(`{"executable": ${'['.repeat(100_000)}${']'.repeat(100_000)}}`).code).toBe('invalid-argument')
})

it.each([
  ['2GiB', 2 * 1024 ** 3],
  ['1.5 GB', 1_500_000_000],
  ['512B', 512],
  ['0.1B', undefined],
  ['2gib', undefined],
  ['-1GiB', undefined],
  ['99999999999TiB', undefined],
])('%s is %s bytes', (text, bytes) => expect(parseBytes(text)).toBe(bytes))

it.each([
  ['90s', 90_000],
  ['1h30m', 5_400_000],
  ['1h 30min', 5_400_000],
  ['2d', 172_800_000],
  ['250ms', 250],
  ['0.5h', 1_800_000],
  ['30m1h', undefined],
  ['1h1h', undefined],
  ['90', undefined],
  ['1y', undefined],
])('%s is %s ms', (text, ms) => expect(parseDuration(text)).toBe(ms))

const word = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_./ -]{0,20}$/)
const job = fc.record(
  {
    name: word,
    executable: word,
    arguments: fc.array(
      fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => !text.includes('\0')),
      { maxLength: 4 },
    ),
    environment: fc.dictionary(fc.stringMatching(/^[A-Z][A-Z0-9_]{0,10}$/), word),
    cores: fc.integer({ min: 1, max: 1024 }),
    memory: fc.integer({ min: 16, max: 100_000 }).map((mib) => `${mib}MiB`),
    wallTime: fc.integer({ min: 1, max: 86_400 }).map((seconds) => `${seconds}s`),
    priority: fc.integer({ min: 0, max: 9 }),
    tags: fc.array(fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:/+-]{0,20}$/), { maxLength: 3 }),
  },
  { requiredKeys: ['executable'] },
)

it('says the same as the document, whatever it says', () => {
  fc.assert(
    fc.property(fc.array(job, { minLength: 1, maxLength: 5 }), (jobs) => {
      const { jobs: read } = readJobDocument(JSON.stringify(jobs))
      expect(read).toHaveLength(jobs.length)
      for (const [index, wanted] of jobs.entries()) {
        const spec = read[index]
        expect(spec?.executable).toBe(wanted.executable)
        expect(spec?.arguments).toEqual(wanted.arguments ?? [])
        expect(spec?.environment).toEqual({ ...wanted.environment })
        expect(spec?.requirements?.cores?.min ?? 0).toBe(wanted.cores ?? 0)
        expect(spec?.requirements?.memoryBytes).toBe(parseBytes(wanted.memory ?? '0B'))
        expect(spec?.requirements?.wallMs).toBe(parseDuration(wanted.wallTime ?? '0s'))
        expect(spec?.requirements?.tags).toEqual(wanted.tags ?? [])
      }
    }),
  )
})

async function streamed(text: string, pieceLength: number): Promise<readonly JobSpec[]> {
  const bytes = Buffer.from(text)
  const pieces = (async function* () {
    for (let at = 0; at < bytes.length; at += pieceLength) yield bytes.subarray(at, at + pieceLength)
  })()
  const jobs: JobSpec[] = []
  for await (const spec of readJobStream(pieces)) jobs.push(spec)
  return jobs
}

it.each([
  ['{"executable":"a"}\n{"executable":"b","name":"é"}\n', ['a', 'b']],
  ['\n{"executable":"a"}\r\n\r\n[{"executable":"b"},{"executable":"c"}]', ['a', 'b', 'c']],
  ['# jobs\n---\nexecutable: a\n---\n# nothing\n---\nexecutable: b\ncores: 2\n...\n', ['a', 'b']],
  ['executable: a\n--- # two\nexecutable: b', ['a', 'b']],
  ['', []],
])('reads the stream %j however it is cut', async (text, executables) => {
  for (const pieceLength of [1, 3, 1000]) {
    expect((await streamed(text, pieceLength)).map(({ executable }) => executable)).toEqual(executables)
  }
})

it('counts the jobs of a stream in what it refuses', async () => {
  await expect(streamed('{"executable":"a"}\n{"executable":"b","cores":0}\n', 7)).rejects.toMatchObject({
    violations: [{ path: 'jobs[1].cores' }],
  })
})
