/**
 * Completion: what may stand next on a line, from the commands themselves, the service and the contexts; and the
 * scripts.
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { jobStates } from '../../../core/model/job.ts'
import { Job, JobState } from '../../../proto/gen/pilotage/v1/job.ts'
import { run as runCommand } from '../../support/run-command.ts'
import { type FakeService, startFakeService } from './fake-service.ts'

let fake: FakeService
let dir: string
let environment: Record<string, string>

beforeEach(async () => {
  fake = await startFakeService()
  dir = mkdtempSync(join(tmpdir(), 'pilotage-completion-'))
  writeFileSync(join(dir, 'token'), 'vo1/ada\n')
  environment = { PILOTAGE_SERVER: fake.server, PILOTAGE_TOKEN_FILE: join(dir, 'token'), XDG_CONFIG_HOME: dir }
})
afterEach(async () => {
  await fake.stop()
  rmSync(dir, { recursive: true, force: true })
})

const run = (...argv: readonly string[]) => runCommand(argv, { environment, workDir: dir })

async function completed(...words: readonly string[]): Promise<readonly string[]> {
  const { code, out, err } = await run('__complete', '--', ...words)
  expect([code, err]).toEqual([0, ''])
  return out
    .split('\n')
    .flatMap((line) => line.split('\t').slice(0, 1))
    .filter((word) => word !== '')
}

function add(jobId: number, job: Partial<Job> = {}): void {
  const state = JobState.WAITING
  fake.jobs.set(
    jobId,
    Job.fromPartial({ jobId, state, vo: 'vo1', name: `job-${jobId}`, submitTime: new Date(1_000_000), ...job }),
  )
}

describe('the next word', () => {
  it('is a command, with its subcommands below it', async () => {
    expect(await completed('')).toEqual(expect.arrayContaining(['submit', 'kill', 'config', 'completion']))
    expect(await completed('')).not.toContain('__complete')
    expect(await completed('re')).toEqual(['release', 'reschedule', 'replay'])
    expect(await completed('config', 'use')).toEqual(['use-context'])
    expect(await completed('--json', '--server', 'config', 'vm', '')).toEqual(expect.arrayContaining(['history', 'drain']))
  })

  it('is an option, of the command and of the program', async () => {
    expect(await completed('list', '--s')).toEqual([
      '--sort',
      '--state',
      '--site',
      '--submitted-from',
      '--submitted-before',
      '--server',
    ])
    expect(await completed('kill', '--rea')).toEqual(['--reason'])
  })

  it('is a value where an option has choices, also after several of them', async () => {
    expect(await completed('list', '--state', '')).toEqual([...jobStates])
    expect(await completed('list', '--state', 'Done', 'F')).toEqual(['Failed'])
    expect(await completed('list', '--state', 'Done', '--li')).toEqual(['--limit'])
    expect(await completed('job', 'convert', '--to', '')).toEqual(['yaml', 'json', 'jdl'])
    expect(await completed('completion', '')).toEqual(['bash', 'zsh', 'fish'])
  })

  it('is the number of a job, of those that the command can do something to', async () => {
    add(1)
    add(12, { state: JobState.HELD })
    add(13, { state: JobState.DONE })
    expect([...(await completed('status', ''))].sort()).toEqual(['1', '12', '13'])
    expect([...(await completed('status', '12', '1'))].sort()).toEqual(['1', '12', '13'])
    expect(await completed('release', '')).toEqual(['12'])
    expect(await completed('hold', '')).toEqual(['1'])
    expect([...(await completed('kill', '1'))].sort()).toEqual(['1', '12'])
    expect(await completed('explain', '1', '')).toEqual([])
  })

  it('is a context', async () => {
    await run('config', 'set-context', 'cern', '--server', 'a.test:1')
    await run('config', 'set-context', 'ral', '--server', 'b.test:1')
    expect(await completed('--context', '')).toEqual(['cern', 'ral'])
    expect(await completed('config', 'use-context', 'r')).toEqual(['ral'])
  })

  it('is left to the shell where it is a file or a text', async () => {
    for (const line of [
      ['submit', ''],
      ['list', '--owner', ''],
      ['--token-file', ''],
      ['run', '--', ''],
    ])
      expect(await completed(...line)).toEqual([])
  })

  it('is nothing where the service does not answer, within two seconds', async () => {
    environment.PILOTAGE_SERVER = '127.0.0.1:1'
    expect(await completed('kill', '')).toEqual([])
    environment.PILOTAGE_TOKEN_FILE = '/nowhere'
    expect(await completed('kill', '')).toEqual([])
  })

  it('asks the service that the line names', async () => {
    add(5)
    delete environment.PILOTAGE_SERVER
    expect(await completed('--server', fake.server, 'status', '')).toEqual(['5'])
    expect(await completed(`--server=${fake.server}`, 'status', '')).toEqual(['5'])
  })

  it('is never a word or a line that a shell would act on', async () => {
    add(7, { name: 'a\u001b[2J\t$(reboot)\n8\tx' })
    const { out } = await run('__complete', '--', 'status', '')
    expect(out.split('\n').map((line) => line.split('\t').length)).toEqual([2, 1])
    expect(out).not.toContain('\u001b')
  })
})

describe('the script', () => {
  it('of bash asks the program for the words of the line', async () => {
    const script = (await run('completion', 'bash')).out
    const test = `
pilotage() { [ "$1 $2" = "__complete --" ] || return 1; shift 2; printf '<%s>\\n' "$#" "$@"; printf 'kill\\tend jobs\\n'; }
${script}
COMP_WORDS=(pilotage --state 'a b' ki); COMP_CWORD=3; _pilotage
printf '%s\\n' "\${COMPREPLY[@]}"; complete -p pilotage`
    const { stdout, status } = spawnSync('bash', ['-c', test], { encoding: 'utf8' })
    expect(status).toBe(0)
    expect(stdout).toBe('<3>\n<--state>\n<a b>\n<ki>\nkill\ncomplete -o bashdefault -o default -F _pilotage pilotage\n')
  })

  it.each(['zsh', 'fish'])('of %s is one that this shell reads, where it is here', async (shell) => {
    const script = (await run('completion', shell)).out
    expect(script).toContain('pilotage __complete -- ')
    const { error, status, stderr } = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' })
    if (error) return
    expect([status, stderr]).toEqual([0, ''])
  })

  it('is refused for another shell', async () => {
    const { code, err } = await run('completion', 'tcsh')
    expect([code, err]).toEqual([2, expect.stringContaining('bash, zsh, fish')])
  })
})
