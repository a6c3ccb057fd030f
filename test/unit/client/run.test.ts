/** `pilotage run` and `peek` against a service that ends jobs as the test says. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { status } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Setting } from '../../../cli/setting.ts'
import { seededRandom } from '../../../core/kernel/random.ts'
import { Job, JobState, PayloadEnd, PayloadResult } from '../../../proto/gen/pilotage/v1/job.ts'
import { type Ran, run as runCommand } from '../../support/run-command.ts'
import { type FakeService, startFakeService } from './fake-service.ts'

let fake: FakeService
let dir: string

beforeEach(async () => {
  fake = await startFakeService()
  dir = mkdtempSync(join(tmpdir(), 'pilotage-run-'))
  writeFileSync(join(dir, 'token'), 'vo1/ada\n')
})

afterEach(async () => {
  await fake.stop()
  rmSync(dir, { recursive: true, force: true })
})

function run(argv: readonly string[], change: Partial<Setting> = {}): Promise<Ran> {
  const environment = { PILOTAGE_SERVER: fake.server, PILOTAGE_TOKEN_FILE: join(dir, 'token') }
  return runCommand(argv, { environment, workDir: dir, ...change })
}

const exited = (exitCode: number) => ({
  state: exitCode === 0 ? JobState.DONE : JobState.FAILED,
  result: PayloadResult.fromPartial({ end: PayloadEnd.EXITED, exitCode, stdoutBytes: 1 }),
})

describe('run', () => {
  it('submits the command with fields of the table, as a document would have them', async () => {
    const fields = ['--memory', '100MiB', '--cores', '{ min: 2, max: 4 }', '--tags', 'gpu, ssd', '--sites', '[CERN]']
    const more = ['--name', '17', '--priority', '3', '--wall-time', '2h', '--env', 'A=b=c', '--env', 'EMPTY=']
    const { code, err } = await run(['run', ...fields, ...more, '--', 'sh', '-c', 'echo %s', '--json'])
    expect({ code, err }).toMatchObject({ code: 125 })
    expect(fake.specs).toMatchObject([
      {
        executable: 'sh',
        arguments: ['-c', 'echo %s', '--json'],
        name: '17',
        priority: 3,
        environment: { A: 'b=c', EMPTY: '' },
        requirements: {
          memoryBytes: 100 * 1024 * 1024,
          wallMs: 7_200_000,
          cores: { min: 2, max: 4 },
          tags: ['gpu', 'ssd'],
          sites: { allowed: ['CERN'] },
        },
      },
    ])
  })

  it.each([
    ['exited with 0', exited(0), 0],
    ['exited with 7', exited(7), 7],
    [
      'a signal',
      { state: JobState.FAILED, result: PayloadResult.fromPartial({ end: PayloadEnd.SIGNALLED, signal: 'SIGKILL' }) },
      137,
    ],
    ['a limit', { state: JobState.FAILED, result: PayloadResult.fromPartial({ end: PayloadEnd.WALL_LIMIT }) }, 125],
    ['killed before it ran', { state: JobState.KILLED }, 125],
  ])('prints both outputs and ends as the payload: %s', async (_, ending, code) => {
    fake.endings = [Job.fromPartial(ending)]
    const ran = await run(['run', '--', 'true'])
    expect(ran.code).toBe(code)
    expect(ran.out).toBe('to stdout')
    expect(ran.err).toContain('to stderr')
  })

  it('goes on where it was after a loss of the service', async () => {
    fake.endings = [exited(0)]
    fake.output = [Buffer.from('one '), Buffer.from('two')]
    fake.failNext('peekOutput', 1)
    const { out, code } = await run(['run', '--', 'true'])
    expect({ out, code }).toEqual({ out: 'one two', code: 0 })
  })

  it('makes a job of each number of an array, and ends with the highest code', async () => {
    fake.endings = [exited(0), exited(3), exited(1)]
    const { code, out, err } = await run([
      'run',
      '--array',
      '1-5:2',
      '--env',
      'N=%s',
      '--name',
      'n%s',
      '--',
      'run',
      '-%s-%s',
    ])
    expect(fake.specs.map(({ name, arguments: args, environment }) => [name, args, environment])).toEqual(
      [1, 3, 5].map((n) => [`n${n}`, [`-${n}-${n}`], { N: String(n) }]),
    )
    expect(code).toBe(3)
    expect(out).toBe('hello stdout'.repeat(3))
    expect(err).toContain('job 2: Failed, exit code 3')
  })

  it.each([[['--array', '5-1']], [['--array', '1-20000']], [['--array', '1-5:0']], [['--array', 'x']]])(
    'takes no %j',
    async (options) => {
      expect(await run(['run', ...options, '--', 'true'])).toMatchObject({ code: 2 })
      expect(fake.calls).toEqual([])
    },
  )

  it.each([
    [['--memory', '5'], /--memory: not a size/],
    [['--cores', '{ most: 3 }'], /--cores\.most: no such field/],
    [['--env', 'novalue'], /--env: not a variable/],
    [['--env', 'PILOTAGE_X=1'], /PILOTAGE_X/],
  ])('refuses %j with the code of its own failures, and names the option', async (options, said) => {
    const ran = await run(['run', ...options, '--', 'true'])
    expect(ran.code).toBe(125)
    expect(ran.err).toMatch(said)
    expect(fake.calls).toEqual([])
  })

  it('ends with its own code where the service refuses', async () => {
    fake.failNext('submitJobs', 1, { code: status.PERMISSION_DENIED })
    expect((await run(['run', '--', 'true'])).code).toBe(125)
  })

  it('only submits with --detach, and prints the jobs with --json', async () => {
    expect(await run(['run', '--detach', '--', 'true'])).toMatchObject({ code: 0, out: '1\n' })
    fake.endings = [exited(4)]
    const { out, code } = await run(['run', '--json', '--', 'true'], { random: seededRandom(2) })
    expect(code).toBe(4)
    expect(JSON.parse(out)).toMatchObject({ jobId: 2, state: 'Failed', result: { exitCode: 4 } })
    expect(fake.calls).not.toContain('peekOutput')
  })

  it('kills the job when it is interrupted, and still waits for its end', async () => {
    const user = new AbortController()
    user.abort('SIGINT')
    const { code, err } = await run(['run', '--', 'true'], { signal: user.signal })
    expect(code).toBe('signal')
    expect(err).toContain('killing 1 job')
    expect(fake.calls).toContain('killJobs')
    expect(fake.calls).toContain('watchJobs')
  })
})

describe('peek', () => {
  it('prints an output, from an offset, and goes on after a loss of the service', async () => {
    await run(['run', '--detach', '--', 'true'])
    expect(await run(['peek', '1', '--stderr'])).toEqual({ code: 0, out: 'to stderr', err: '' })
    fake.output = [Buffer.from('one '), Buffer.from('two '), Buffer.from('three')]
    fake.failNext('peekOutput', 1)
    expect(await run(['peek', '1', '--offset', '4', '--now'])).toEqual({ code: 0, out: 'two three', err: '' })
  })
})
