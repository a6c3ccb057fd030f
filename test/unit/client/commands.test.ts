import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { status } from '@grpc/grpc-js'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { emptyOwnDirectory } from '../../../cli/own-service.ts'
import type { Setting } from '../../../cli/setting.ts'
import { idsText, table } from '../../../cli/output/table.ts'
import { type Clock, systemClock } from '../../../core/kernel/clock.ts'
import { programLine } from '../../support/program.ts'
import { type Ran, run as runCommand } from '../../support/run-command.ts'
import { Job, JobState, PayloadEnd, PayloadResult } from '../../../proto/gen/pilotage/v1/job.ts'
import { type FakeService, startFakeService } from './fake-service.ts'

let fake: FakeService
let dir: string

beforeEach(async () => {
  fake = await startFakeService()
  dir = mkdtempSync(join(tmpdir(), 'pilotage-commands-'))
  writeFileSync(join(dir, 'token'), 'vo1/ada\n')
})

afterEach(async () => {
  await fake.stop()
  rmSync(dir, { recursive: true, force: true })
})

/** Pauses pass twenty times as fast; deadlines of calls stay what they are. */
function fastClock(): Clock {
  const real = systemClock()
  return {
    nowMs: real.nowMs,
    monotonicMs: () => real.monotonicMs() * 20,
    after: (delayMs, run) => real.after(delayMs / 20, run),
    soon: real.soon,
  }
}

function run(argv: readonly string[], change: Partial<Setting> = {}): Promise<Ran> {
  const environment = { PILOTAGE_SERVER: fake.server, PILOTAGE_TOKEN_FILE: join(dir, 'token') }
  return runCommand(argv, { environment, workDir: dir, clock: fastClock(), ...change })
}

const pipe = (text: string): Pick<Setting, 'stdin'> => ({
  stdin: (async function* () {
    yield Buffer.from(text)
  })(),
})

it('submits a document, and the same again under its key', async () => {
  const file = join(dir, 'job.yaml')
  writeFileSync(file, '- { executable: "true", name: one }\n- { executable: "true" }\n')
  expect(await run(['submit', file, '--key', 'k'])).toEqual({ code: 0, out: 'submitted 2 jobs: 1 to 2\n', err: '' })
  expect((await run(['submit', file, '--key', 'k'])).out).toContain('submitted before')
  expect(fake.jobs.size).toBe(2)
  expect(fake.tokens).toEqual(new Set(['Bearer vo1/ada']))
})

it('submits a stream from standard input and waits for the end', async () => {
  const ran = await run(['submit', '-', '--stream', '--wait'], pipe('{"executable":"a"}\n{"executable":"b"}\n'))
  expect(ran.code).toBe(0)
  expect(ran.out).toContain('submitted 2 jobs in total')
  expect(ran.out.match(/ Done/g)).toHaveLength(2)
})

it('sends nothing of a document with a wrong field, and says which', async () => {
  const ran = await run(['submit', '-'], pipe('- executable: x\n- executable: y\n  cores: many\n'))
  expect(ran.code).toBe(1)
  expect(ran.err).toContain('jobs[1].cores: not a whole number (given: many); accepted: a whole number from 1 to 1024')
  expect(fake.calls).toEqual([])
  const json = await run(['--json', 'submit', '-'], pipe('cores: many'))
  expect(JSON.parse(json.err)).toMatchObject({
    error: { code: 'invalid-argument', violations: [{ path: 'cores' }, { path: 'executable' }] },
  })
})

it('prints what was submitted as a document that submit takes', async () => {
  const file = join(dir, 'job.yaml')
  writeFileSync(file, 'executable: render\narguments: ["--frame", "1\\e[2J"]\nmemory: 1536MiB\nsites: [cern]\ntags: [gpu]\n')
  await run(['submit', file])
  const [given] = fake.specs
  const yaml = await run(['job', 'spec', '1'])
  expect(yaml).toMatchObject({ code: 0, err: '' })
  expect(yaml.out).toContain('executable: render\narguments:\n  - --frame\n  - "1\\u001b[2J"\n')
  expect(yaml.out).toContain('memory: 1536MiB\n')
  await run(['submit', '-', '--key', 'yaml'], pipe(yaml.out))
  const json = await run(['job', 'spec', '1', '--json'])
  expect(JSON.parse(json.out)).toMatchObject({ executable: 'render', memory: '1536MiB', sites: ['cern'], tags: ['gpu'] })
  await run(['submit', '-', '--key', 'json'], pipe(json.out))
  expect(fake.specs).toHaveLength(3)
  for (const spec of fake.specs) {
    expect({ ...spec, requirements: { ...spec.requirements, clouds: undefined, cores: undefined } }).toEqual({
      ...given,
      maxAttempts: expect.any(Number),
      requirements: { ...given?.requirements, clouds: undefined, cores: undefined },
    })
  }
})

it('submits several files as one submission', async () => {
  const [a, b] = [join(dir, 'a.yaml'), join(dir, 'b.yaml')]
  writeFileSync(a, '- { executable: "true", name: one }\n- { executable: "true" }\n')
  writeFileSync(b, 'executable: "true"\nname: three\n')
  expect(await run(['submit', a, b, '--key', 'k'])).toEqual({ code: 0, out: 'submitted 3 jobs: 1 to 3\n', err: '' })
  expect((await run(['submit', a, b, '--key', 'k'])).out).toContain('submitted before')
  expect([...fake.jobs.values()].map(({ name }) => name)).toEqual(['one', '', 'three'])
})

it('submits several streams as one, each in its own form', async () => {
  const [a, b] = [join(dir, 'a.jsonl'), join(dir, 'b.yaml')]
  writeFileSync(a, '{"executable":"a"}\n{"executable":"b"}')
  writeFileSync(b, 'executable: c\n---\nexecutable: d\n')
  const ran = await run(['submit', '--stream', a, b])
  expect(ran).toMatchObject({ code: 0, out: expect.stringContaining('submitted 4 jobs in total') })
})

it('sends nothing of several files if one is wrong, and names the file', async () => {
  const [a, b] = [join(dir, 'a.yaml'), join(dir, 'b.yaml')]
  writeFileSync(a, 'executable: x\n')
  writeFileSync(b, '- executable: x\n- executable: y\n  cores: many\n')
  const ran = await run(['submit', a, b])
  expect(ran.code).toBe(1)
  expect(ran.err).toContain(`${b}: jobs[1].cores: not a whole number`)
  expect(fake.calls).toEqual([])
  const missing = await run(['submit', a, join(dir, 'none.yaml')])
  expect(missing).toMatchObject({ code: 1, err: expect.stringContaining('none.yaml') })
  expect(fake.calls).toEqual([])
  expect(await run(['submit', '-', a, '-'], pipe('executable: x'))).toMatchObject({
    code: 1,
    err: expect.stringContaining('standard input is named twice'),
  })
})

it.each([[[]], [['--stream']]])(
  'names in a warning and in a refusal of the service the file and the job in it %j',
  async (options) => {
    const [a, b] = [join(dir, 'a.json'), join(dir, 'b.json')]
    const [one, warned] = ['{"executable":"x"}\n', '{"executable":"warned"}\n']
    const listed = (...jobs: string[]): string => (options.length === 0 ? `[${jobs.join()}]` : jobs.join(''))
    writeFileSync(a, listed(one, one))
    writeFileSync(b, listed(one, warned))
    expect((await run(['submit', a, b, ...options])).err).toContain(`(${b}: jobs[1])`)
    const wrong = { path: 'jobs[3].executable', value: 'x', rule: 'no such', accepted: 'another' }
    for (const method of ['submitJobs', 'submitJobStream']) {
      const detail = { code: 'invalid-argument', violations: [wrong] }
      fake.failNext(method, 9, { code: status.INVALID_ARGUMENT, detail })
    }
    expect((await run(['submit', a, b, ...options])).err).toContain(`${b}: jobs[1].executable: no such`)
    expect((await run(['submit', a, ...options])).err).toContain(' jobs[3].executable: no such')
  },
)

it.each([
  [
    ['kill', '2-4'],
    [2, 3, 4],
  ],
  [
    ['hold', '5', '1-2'],
    [5, 1, 2],
  ],
  [
    ['release', '3-3', '2-4', '3'],
    [3, 2, 4],
  ],
  [
    ['reschedule', '1-5'],
    [1, 2, 3, 4, 5],
  ],
  [
    ['status', '2-3'],
    [2, 3],
  ],
  [
    ['watch', '4-5'],
    [4, 5],
  ],
] as const)('%j acts on jobs %j', async (argv, jobIds) => {
  await run(
    ['submit', '-'],
    pipe('[{ executable: a }, { executable: a }, { executable: a }, { executable: a }, { executable: a }]'),
  )
  const ran = await run(['--json', ...argv])
  const ids = ran.out
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { jobId: number }).jobId)
  expect([...new Set(ids)].sort()).toEqual([...jobIds].sort())
})

it.each(['5-1', '0-3', '1-', '-3', '1-2-3', '1..3', '1-100001', '1-999999999999999'])(
  'refuses the range %s',
  async (range) => {
    const ran = await run(['kill', '--', range])
    expect(ran.code).toBe(2)
    expect(fake.calls).toEqual([])
  },
)

it.each([
  [true, 60],
  [false, 500],
])('on a terminal (%s) a reason has %i characters', async (isTerminal, length) => {
  await run(['submit', '-'], pipe('executable: x'))
  const job = fake.jobs.get(1)
  if (job) fake.jobs.set(1, { ...job, reason: 'r'.repeat(500), name: 'n'.repeat(100) })
  const out: string[] = []
  const terminal = {
    isTerminal,
    write: async (text: unknown) => out.push(String(text)) > 0,
    say: () => {},
    writeError: async () => true,
    progress: () => {},
  }
  await run(['status', '1'], { terminal })
  expect(out.join('').match(/r{50,}…?/)?.[0]).toHaveLength(length)
  expect(out.join('').match(/n{20,}…?/)?.[0]).toHaveLength(isTerminal ? 30 : 100)
})

it('shows how long a job ran as the pilot counted it, and not as two clocks differ', async () => {
  const result = PayloadResult.fromPartial({ end: PayloadEnd.EXITED, wall: { seconds: 30 } })
  const times = { submitTime: new Date(1_000_000), startTime: new Date(1_004_000), endTime: new Date(1_400_000) }
  fake.jobs.set(1, Job.fromPartial({ jobId: 1, state: JobState.DONE, ...times, result }))
  fake.jobs.set(2, Job.fromPartial({ jobId: 2, state: JobState.FAILED, ...times }))
  const { out } = await run(['status', '1', '2'])
  expect(out.split('\n').slice(1, 3)).toEqual([
    expect.stringMatching(/ 4 s +30 s /),
    expect.stringMatching(/ 4 s +6 min 36 s /),
  ])
})

it.each([
  // command line after one job was submitted, exit code, part of the output
  [['status', '1'], 0, /JOB +STATE[^\n]+\n +1 +Waiting/],
  [['status', '1', '9'], 1, /Waiting/],
  [['list', '--limit', '5', '--json'], 0, /^\{"jobId":1,/],
  [['list', '--state', 'Waiting', 'Held'], 0, /Waiting/],
  [['list', '--sort', 'changed-first', '--job-group', 'g', '--changed-from', '2h'], 0, /Waiting/],
  [['count', '--by', 'state,site'], 0, /JOBS +STATE +SITE\n +3 +Waiting +Waiting\n +1 +Done +Done\n/],
  [['count', '--json'], 0, /^\{"by":\["state"\],"rows":\[\{"values":\["Waiting"\],"count":3\}/],
  [['group', 'g'], 0, /^group g: 1 of 6 ended \(16 %\), 0 failed\nstates: Waiting 3, Done 1\n/],
  [['group', 'none'], 1, /^group none: no jobs\n/],
  [['kill', '1', '--reason', 'enough'], 0, /1 +Killed +yes/],
  [['hold', '1', '7'], 1, /not-found/],
  [['release', '1'], 0, /1 /],
  [['reschedule', '1', '--json'], 0, /"newJobId":0/],
  [['history', '1'], 0, /1970-01-01 00:00:01 {2}Waiting\\u001b\[2J\n$/],
  [['explain', '1'], 0, /cannot run: no place\n {2}vm vm-a: does not fit\n {4}NO {3}cores: wanted 4, offered 2/],
  [['explain', '1', '--json'], 0, /"finding":\{"kind":"no-fit",.*"rules":\[\{"rule":"cores"/],
  [['output', '1'], 0, /^hello stdout$/],
  [['output', '1', '--stderr', '--attempt', '2'], 0, /^hello stderr$/],
  [['watch', '1'], 0, /job 1 {2}Waiting\n.*job 1 {2}Done\n/],
  [['cluster', 'status'], 0, /Waiting +vo1 +- +2/],
  [['cluster', 'queues'], 0, /0 of 0/],
  [['cluster', 'vms', '--ended'], 0, /vm-a/],
  [['cluster', 'clouds'], 0, /BREAKER/],
  [['vm', 'drain', 'vm-a'], 0, /vm-a: Draining/],
  [['token', 'create', '--subject', 'ada', '--vo', 'vo1'], 0, /^vo1\/ada\n$/],
] as const)('%j ends with %i', async (argv, code, expected) => {
  await run(['submit', '-'], pipe('executable: x'))
  const ran = await run(argv)
  expect({ code: ran.code, err: ran.code === code ? '' : ran.err }).toEqual({ code, err: '' })
  expect(ran.out).toMatch(expected)
})

it.each([
  [['kill', 'all'], 2],
  [['frobnicate'], 2],
  [['list', '--state', 'Sleeping'], 2],
  [['list', '--limit', '0'], 2],
  [['list', '--sort', 'age'], 2],
  [['list', '--changed-from', 'yesterday'], 2],
  [['list', '--changed-from', '2026-13-40'], 2],
  [['count', '--by', 'state,state'], 2],
  [['count', '--by', 'color'], 2],
  [['token', 'create', '--vo', 'x'], 2],
  [[], 2],
  [['--help'], 0],
  [['submit', '--help'], 0],
  [['submit', '/no/such/file'], 1],
])('%j ends with %i and calls no service', async (argv, code) => {
  expect((await run(argv)).code).toBe(code)
  expect(fake.calls).toEqual([])
})

it('writes a token only to a new file that no other account can read', async () => {
  const file = join(dir, 'ada.token')
  const argv = ['token', 'create', '--subject', 'ada', '--vo', 'vo1', '--out', file]
  expect(await run(argv)).toMatchObject({ code: 0, out: '' })
  expect(readFileSync(file, 'utf8')).toBe('vo1/ada\n')
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect((await run(argv)).code).toBe(1)
})

it('finds the token of the installation in this directory, and says where one goes when there is none', async () => {
  const environment = { PILOTAGE_SERVER: fake.server }
  expect((await run(['cluster', 'status'], { environment })).err).toContain('--token-file')
  mkdirSync(join(dir, 'pilotage-data'))
  writeFileSync(join(dir, 'pilotage-data', 'admin.token'), 'admin')
  expect((await run(['cluster', 'status'], { environment })).code).toBe(0)
})

it('replays a trace against a service that runs, and accounts for every line', async () => {
  fake.looksToEnd = 2
  const lines = Array.from(
    { length: 40 },
    (_, index) => `${index + 1} ${index * 10} -1 30 1 -1 -1 -1 60 -1 -1 ${index % 3} ${index % 2} -1 -1 1 -1 -1`,
  )
  const file = join(dir, 'trace.swf')
  writeFileSync(file, lines.join('\n'))
  const ran = await run(['replay', file, '--jobs', '40', '--minutes', '0.5'])
  expect(ran.err).toContain('40 jobs of 2 VOs and 6 owners')
  expect(ran.out.trimEnd().split('\n').at(-1)).toMatch(
    /^replay: jobs=40 accounted=40 lost=0 doubled=0 done=40 failed=0 killed=0 /,
  )
  expect(ran.code).toBe(0)
  expect(fake.tokens.size).toBe(7)
})

it('starts a service of its own for a replay, and leaves nothing of it', async () => {
  fake.looksToEnd = 1
  const file = join(dir, 'trace.swf')
  writeFileSync(file, '1 0 -1 30 1 -1 -1 -1 60 -1 -1 1 1 -1 -1 1 -1 -1\n')
  let dataDir = ''
  let stops = 0
  const ran = await run(['replay', file, '--minutes', '0.1'], {
    environment: {},
    async startService(options) {
      dataDir = options.dataDir
      const stop = async (): Promise<void> => {
        stops += 1
      }
      return { server: fake.server, adminToken: 'admin', dashboardUrl: '', dataDir, stop }
    },
  })
  expect(ran.out).toContain('replay: jobs=1 accounted=1')
  expect(stops).toBe(1)
  expect(dataDir).not.toBe('')
  expect(existsSync(dataDir)).toBe(false)
})

it('empties only a directory that it made', () => {
  const mine = join(dir, 'mine')
  emptyOwnDirectory(mine)
  writeFileSync(join(mine, 'old'), 'x')
  expect(existsSync(join(emptyOwnDirectory(mine), 'old'))).toBe(false)
  expect(() => emptyOwnDirectory(dir)).toThrow(/not empty/)
  expect(existsSync(join(dir, 'token'))).toBe(true)
})

it('shows what others wrote without obeying it', () => {
  expect(
    table(
      [
        { title: 'N', right: true, cell: (n: number) => n },
        { title: 'T', cell: () => 'x\ny' },
      ],
      [7, 1234],
    ),
  ).toBe('   N  T\n   7  x\\u000ay\n1234  x\\u000ay\n')
  expect([idsText([]), idsText([3]), idsText([3, 4, 5]), idsText([3, 5])]).toEqual(['none', '3', '3 to 5', '3, 5'])
})

it.each([
  ['output', '1'],
  ['cluster', 'vms'],
  ['explain', '1'],
])('%s %s is quiet when the reader of its output has gone', async (...words) => {
  const line = programLine('--server', fake.server, '--token-file', join(dir, 'token'), ...words)
  const child = spawn(process.execPath, line, { stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let errors = ''
  child.stderr.on('data', (piece) => {
    errors += piece
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect([errors, code]).toEqual(['', expect.toBeOneOf([0, 141])])
})
