/** Commands that steer jobs by a filter, through a real edge over a store in memory. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Setting } from '../../../cli/setting.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { Owner } from '../../../core/model/owner.ts'
import { submit } from '../../../services/jobs/submit.ts'
import { alice, bob, sampleSpec } from '../../../sim/samples.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'
import { type Ran, run as runCommand } from '../../support/run-command.ts'

const carol: Owner = { ...alice, owner: 'carol' }
let api: ApiInParts
let dir: string
let group: string
let rounds = 0

beforeAll(async () => {
  api = await startApiInParts()
  dir = mkdtempSync(join(tmpdir(), 'pilotage-steer-'))
  for (const [name, owner, role] of [
    ['alice', alice, 'user'],
    ['carol', carol, 'user'],
    ['operator', { vo: 'ops', group: 'ops', owner: 'olga' }, 'operator'],
  ] as const) {
    writeFileSync(join(dir, name), await api.tokenFor({ kind: 'user', owner, roles: [role] }))
  }
})
afterAll(async () => {
  await api.stop()
  rmSync(dir, { recursive: true, force: true })
})
beforeEach(() => {
  rounds += 1
  group = `g${rounds}`
})

function run(who: string, argv: readonly string[], change: Partial<Setting> = {}): Promise<Ran> {
  const environment = { PILOTAGE_SERVER: api.server, PILOTAGE_TOKEN_FILE: join(dir, who) }
  return runCommand(argv, { environment, workDir: dir, ...change })
}

async function submitted(owner: Owner, count: number, name = 'sample'): Promise<readonly JobId[]> {
  const jobs = Array.from({ length: count }, () => sampleSpec({ jobGroup: group, name }))
  return (await submit(api.queue, { owner, jobs, idempotencyKey: '' })).jobIds
}

const statesOf = async (ids: readonly JobId[]) => (await api.store.jobs(ids)).map(({ phase }) => phase.state)

describe('steering by a filter', () => {
  it('reaches the own jobs alone, and all of an operator, beyond one slice', async () => {
    const own = await submitted(alice, 1200)
    const others = [...(await submitted(carol, 2)), ...(await submitted(bob, 2))]
    const killed = await run('alice', ['kill', '--job-group', group, '--state', 'Waiting'])
    expect(killed).toEqual({ code: 0, out: '', err: 'killed: 1200 of 1200 jobs' })
    expect(new Set(await statesOf(own))).toEqual(new Set(['Killed']))
    expect(await statesOf(others)).toEqual(['Waiting', 'Waiting', 'Waiting', 'Waiting'])
    expect((await run('alice', ['kill', '--job-group', group, '--owner', 'carol'])).err).toBe('killed: 0 of 0 jobs')
    expect((await run('operator', ['hold', '--job-group', group, '--vo', bob.vo])).err).toBe('held: 2 of 2 jobs')
    expect((await run('operator', ['kill', '--job-group', group])).err).toBe('killed: 4 of 1204 jobs, ended: 1200')
  })

  it('says beforehand how many jobs it would reach', async () => {
    const ids = await submitted(alice, 3)
    await submitted(carol, 1)
    const dry = await run('alice', ['kill', '--job-group', group, '--dry-run'])
    expect(dry).toEqual({ code: 0, out: '3 jobs selected, nothing changed\n', err: '' })
    expect((await run('alice', ['delete', String(ids[0]), '--dry-run', '--json'])).out).toBe('{"selected":1}\n')
    expect(await statesOf(ids)).toEqual(['Waiting', 'Waiting', 'Waiting'])
  })

  it('names each job for programs, and why one was refused', async () => {
    const [first, second] = (await submitted(alice, 2)) as [JobId, JobId]
    await run('alice', ['hold', String(first)])
    const ran = await run('alice', ['hold', '--job-group', group, '--json'])
    expect(ran.code).toBe(1)
    expect(
      ran.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { jobId: first, changed: false, state: 'Held', refusal: 'held', newJobId: 0, dependants: 0 },
      { jobId: second, changed: true, state: 'Held', refusal: '', newJobId: 0, dependants: 0 },
    ])
    const none = await run('alice', ['release', '--job-group', group, '--name', 'other'])
    expect(none).toEqual({ code: 0, out: '', err: 'released: 0 of 0 jobs' })
  })

  it('asks before it acts on all jobs, and does nothing without a yes', async () => {
    const ids = await submitted(carol, 2)
    const answer = (text: string): Partial<Setting> => ({
      isStdinTerminal: true,
      stdin: (async function* () {
        yield Buffer.from(text)
      })(),
    })
    expect(await run('carol', ['hold'], { isStdinTerminal: false })).toMatchObject({ code: 1 })
    expect(await run('carol', ['hold'], answer('no\n'))).toMatchObject({ code: 1 })
    expect(await run('carol', ['hold'], answer(''))).toMatchObject({ code: 1 })
    expect(await statesOf(ids)).toEqual(['Waiting', 'Waiting'])
    const yes = await run('carol', ['hold'], answer('yes\n'))
    expect(yes.err).toMatch(/^hold all of your \d+ jobs\? Type yes to go on\.\nheld: 3 of 5 jobs, ended: 2$/)
    expect((await run('carol', ['release', '--yes', '--reason', 'enough'])).err).toContain('released: 3 of ')
    expect(await statesOf(ids)).toEqual(['Waiting', 'Waiting'])
  })

  it('takes numbers or a filter, and not both', async () => {
    const [id] = await submitted(alice, 1)
    const both = await run('alice', ['kill', String(id), '--job-group', group])
    expect(both).toMatchObject({ code: 1, err: expect.stringContaining('numbers of jobs and options that select jobs') })
  })
})

describe('deleting', () => {
  it('removes what has ended, says why it leaves the others, and answers for each number', async () => {
    const [ended, waiting] = (await submitted(alice, 2)) as [JobId, JobId]
    const [theirs] = await submitted(carol, 1)
    await run('alice', ['kill', String(ended)])
    const ran = await run('alice', ['delete', `${ended}`, `${waiting}`, `${theirs}`, '999999', '--reason', 'space'])
    expect(ran.code).toBe(1)
    const row = (id: number | undefined, rest: string) => expect.stringMatching(new RegExp(`^ *${id} +${rest}$`))
    expect(ran.out.trimEnd().split('\n').slice(1)).toEqual([
      row(ended, 'Killed +yes'),
      row(waiting, 'Waiting +no +not-ended'),
      row(theirs, 'Waiting +no +forbidden'),
      row(999_999, '- +no +not-found'),
    ])
    expect((await run('alice', ['status', String(ended)])).err).toContain('not found')
    const facts = await api.store.facts(-1, 5)
    expect(facts.find(({ kind }) => kind === 'Deleted')).toMatchObject({
      subject: `job:${ended}`,
      data: { by: 'alice', why: 'space' },
    })
  })
})

describe('setting the priority', () => {
  it('is seen in the job and in its history, and refused for what has ended', async () => {
    const [id, ended] = (await submitted(alice, 2)) as [JobId, JobId]
    await run('alice', ['kill', String(ended)])
    const ran = await run('alice', ['prioritise', '--priority', '7', '--job-group', group])
    expect(ran).toMatchObject({ code: 1, err: 'set: 1 of 2 jobs, ended: 1' })
    expect((await run('alice', ['status', String(id), '--json'])).out).toContain('"priority":7')
    expect((await run('alice', ['history', String(id)])).out).toMatch(/priority set: by alice, priority 7\n$/)
    expect((await run('alice', ['prioritise', '--priority', '10', String(id)])).code).toBe(2)
  })
})

describe('counts and lists by a filter', () => {
  it('count the jobs of the VO that pass, and list them in the order asked for', async () => {
    const ids = await submitted(alice, 3, 'one')
    await submitted(carol, 2, 'two')
    await submitted(bob, 4)
    await run('alice', ['kill', String(ids[1])])
    const counted = await run('alice', ['count', '--by', 'owner,state', '--job-group', group])
    expect(counted.out).toBe('JOBS  OWNER  STATE\n   2  alice  Waiting\n   2  carol  Waiting\n   1  alice  Killed\n')
    expect(counted.err).toBe('5 jobs in all')
    expect((await run('alice', ['group', group])).out).toMatch(
      new RegExp(`^group ${group}: 1 of 5 ended \\(20 %\\), 0 failed\nstates: Waiting 4, Killed 1\nsites: none yet 5\n$`),
    )
    const listed = await run('alice', ['list', '--job-group', group, '--sort', 'changed-last', '--json', '--limit', '2'])
    const found = listed.out
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { jobId: number }).jobId)
    expect(found[0]).toBe(ids[1])
    const oldest = await run('alice', ['list', '--name', 'one', '--job-group', group, '--sort', 'oldest', '--json'])
    expect(oldest.out.match(/"jobId":\d+/g)).toEqual(ids.map((id) => `"jobId":${id}`))
    const recent = await run('alice', ['list', '--job-group', group, '--submitted-before', '1h', '--json'])
    expect(recent.out).toBe('')
  })
})
