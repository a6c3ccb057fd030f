/** `pilotage accounting` through a real edge over a store in memory: who reads what, pages, bills, exports and refusals. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import type { Owner } from '../../../core/model/owner.ts'
import { type AttemptUsage, overheadMoney, type UsageRecord, type VmUsage } from '../../../core/model/usage-record.ts'
import {
  AccountingServiceService,
  ListUsageRecordsRequest,
  ReportUsageRequest,
  UsageAttribute,
} from '../../../proto/gen/pilotage/v1/accounting.ts'
import { alice, bob } from '../../../sim/samples.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'
import { type Ran, run as runCommand } from '../../support/run-command.ts'

const atMs = Date.UTC(2026, 9, 15)
const hourMs = 3_600_000
const attempts = 1500

let api: ApiInParts
let dir: string
let token: string

function attempt(jobId: number, owner: Owner, changes: Partial<AttemptUsage> = {}): AttemptUsage {
  return {
    kind: 'attempt',
    ...owner,
    jobId: jobId as JobId,
    attempt: 1,
    vmId: 'vm-aaaaaaaaaa' as VmId,
    site: 'home',
    cloud: 'here',
    flavor: 'small',
    cores: 2,
    claimedMs: atMs,
    startedMs: atMs + 1000,
    endedMs: atMs + hourMs,
    wallMs: hourMs,
    cpuMs: hourMs / 2,
    peakMemoryBytes: 1024 * 1024,
    coreMs: 2 * hourMs,
    moneyMicros: 500_000,
    ending: 'done',
    ...changes,
  }
}

const overheadCoreMs = { boot: hourMs, idle: 2 * hourMs }
const vm: VmUsage = {
  kind: 'vm',
  vmId: 'vm-aaaaaaaaaa' as VmId,
  vo: '',
  site: 'home',
  cloud: 'here',
  flavor: 'small',
  cores: 4,
  memoryBytes: 1024,
  pricePerHour: 4,
  intendedMs: atMs,
  activeMs: atMs + hourMs / 4,
  endedMs: atMs + 2 * hourMs,
  state: 'Gone',
  attempts: 3,
  usedCoreMs: 5 * hourMs,
  overheadCoreMs,
  moneyMicros: overheadMoney({ overheadCoreMs, cores: 4, pricePerHour: 4 }),
}

const records: readonly UsageRecord[] = [
  ...Array.from({ length: attempts }, (_, at) => attempt(at + 1, { ...alice, owner: `user-${at % 1200}` })),
  attempt(9001, bob, { ending: 'machine-lost', wallMs: 0, cpuMs: 0 }),
  attempt(9002, bob, { ending: 'withdrawn', startedMs: 0, wallMs: 0, cpuMs: 0, coreMs: 0, moneyMicros: 0 }),
  vm,
]

beforeAll(async () => {
  api = await startApiInParts()
  dir = mkdtempSync(join(tmpdir(), 'pilotage-accounting-'))
  for (const [name, owner, role] of [
    ['alice', alice, 'user'],
    ['operator', { vo: 'ops', group: 'ops', owner: 'olga' }, 'operator'],
  ] as const) {
    token = await api.tokenFor({ kind: 'user', owner, roles: [role] })
    writeFileSync(join(dir, name), token)
  }
  await api.store.account({ afterSeq: 0, nextSeq: 1, records, meters: [], ended: [] })
})
afterAll(async () => {
  await api.stop()
  rmSync(dir, { recursive: true, force: true })
})

function run(who: string, ...argv: readonly string[]): Promise<Ran> {
  const environment = { PILOTAGE_SERVER: api.server, PILOTAGE_TOKEN_FILE: join(dir, who) }
  return runCommand(['accounting', ...argv], { environment, workDir: dir })
}

const october = ['--from', '2026-10', '--to', '2026-10'] as const
const rowsIn = ({ out }: Ran): Record<string, unknown>[] =>
  out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>]))

describe('accounting report', () => {
  it('sums up by attributes, beyond one page', async () => {
    const rows = rowsIn(await run('operator', 'report', '--by', 'vo,owner', ...october, '--json'))
    expect(rows).toHaveLength(1200 + 2)
    expect(rows.reduce((sum, row) => sum + Number(row.attempts), 0)).toBe(records.length - 1)
    expect(rows[0]).toMatchObject({ vo: '', owner: '', attempts: 0, vms: 1, coreMs: 3 * hourMs })
    const [all] = rowsIn(await run('operator', 'report', '--by', 'site', ...october, '--json'))
    expect(all).toMatchObject({ site: 'home', attempts: records.length - 1, vms: 1 })
    const reasons = rowsIn(await run('operator', 'report', '--by', 'kind,reason', ...october, '--json'))
    expect(reasons.map(({ kind, reason, coreMs }) => [kind, reason, coreMs])).toEqual([
      ['attempt', 'done', attempts * 2 * hourMs],
      ['attempt', 'machine-lost', 2 * hourMs],
      ['attempt', 'withdrawn', 0],
      ['vm', 'boot', hourMs],
      ['vm', 'idle', 2 * hourMs],
    ])
  })

  it('shows people hours and money', async () => {
    const { code, out } = await run('operator', 'report', '--by', 'month,vo', '--vo', 'belle', ...october)
    expect(code).toBe(0)
    expect(out).toMatch(
      /MONTH +VO +ATTEMPTS +VMS +CORE HOURS +WALL HOURS +CPU HOURS +MONEY\n2026-10 +belle +2 +0 +2.00 +0.00 +0.00 +0.50\n/,
    )
  })

  it('has nothing of days outside of its period, and the last day inside', async () => {
    const jobs = async (from: string, to: string): Promise<unknown> =>
      rowsIn(await run('operator', 'report', '--from', from, '--to', to, '--by', 'kind', '--json')).map((row) => [
        row.attempts,
        row.vms,
      ])
    expect(await jobs('2026-10-16', '2026-11')).toEqual([])
    expect(await jobs('2026-09', '2026-10-14')).toEqual([])
    expect(await jobs('2026-10-15', '2026-10-15')).toEqual([
      [records.length - 1, 0],
      [0, 1],
    ])
  })

  it('shows a user the own VO, and refuses another', async () => {
    const rows = rowsIn(await run('alice', 'report', '--by', 'vo,kind', ...october, '--json'))
    expect(rows.map((row) => [row.vo, row.kind, row.attempts])).toEqual([['lhcb', 'attempt', attempts]])
    expect(await run('alice', 'report', '--vo', 'belle', ...october)).toMatchObject({
      code: 1,
      err: expect.stringContaining('usage of another VO is for operators'),
    })
    expect(await run('alice', 'export', '--format', 'csv', '--month', '2026-10', '--vo', 'belle')).toMatchObject({ code: 1 })
  })

  it.each([
    ['--by', 'color'],
    ['--by', 'vo,vo'],
    ['--from', '2026-13'],
    ['--from', '2026-02-30'],
    ['--to', 'yesterday'],
  ])('refuses %s %s', async (option, value) => {
    expect(await run('operator', 'report', option, value)).toMatchObject({
      code: 2,
      err: expect.stringContaining('accepted'),
    })
  })

  it('says which day is wrong where a period ends before it begins', async () => {
    const { code, err } = await run('operator', 'report', '--from', '2026-11', '--to', '2026-10')
    expect([code, err]).toEqual([1, expect.stringContaining('to_day')])
  })
})

describe('accounting bill', () => {
  it('has the price of every VM on it, once', async () => {
    const lines = rowsIn(await run('operator', 'bill', '--month', '2026-10', '--json'))
    expect(lines.map((line) => [line.vo, line.attempts, line.usedMicros, line.ownOverheadMicros])).toEqual([
      ['belle', 2, 500_000, 0],
      ['lhcb', attempts, attempts * 500_000, 0],
    ])
    const total = lines.reduce((sum, line) => sum + Number(line.totalMicros), 0)
    expect(total).toBe(records.reduce((sum, one) => sum + one.moneyMicros, 0))
    const own = rowsIn(await run('alice', 'bill', '--month', '2026-10', '--json'))
    expect(own).toMatchObject([{ vo: 'lhcb', sharedOverheadMicros: 0 }])
    expect((await run('operator', 'bill', '--month', '2026-10')).out).toMatch(
      /MONTH +VO .*TOTAL\n2026-10 +belle .*\n2026-10 +lhcb /,
    )
  })
})

describe('accounting export', () => {
  const exported = async (format: string): Promise<string> => {
    const { code, out } = await run(
      'operator',
      'export',
      '--format',
      format,
      '--month',
      '2026-10',
      '--submit-host',
      'ce.here',
    )
    expect(code).toBe(0)
    return out
  }

  it('writes every record of the month in each format', async () => {
    const csv = (await exported('csv')).split('\r\n')
    expect(csv).toHaveLength(1 + records.length + 1)
    expect(csv.at(-2)).toBe(
      'vm,,,vm-aaaaaaaaaa,,,,home,here,small,4,0,2026-10-15T00:00:00.000Z,2026-10-15T00:15:00.000Z,2026-10-15T02:00:00.000Z,' +
        'Gone,,,,28800.000,3.000000,3600.000,0.000,7200.000,0.000,0.000,0.000,0.000,0.000',
    )
    const individual = await exported('apel-individual')
    expect(individual.match(/^%%$/gm)).toHaveLength(attempts + 1)
    expect(individual).toContain('SubmitHost: ce.here\n')
    expect((await exported('ur')).match(/<urf:JobUsageRecord>/g)).toHaveLength(attempts + 2)
    const summary = await exported('apel-summary')
    expect(summary.match(/^%%$/gm)).toHaveLength(1200 + 1)
    const jobs = [...summary.matchAll(/^NumberOfJobs: (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0)
    expect(jobs).toBe(attempts + 1)
  })

  it('says that records of a month are not kept any more, and summarises it all the same', async () => {
    const old = Date.UTC(2026, 3, 7)
    const gone = [1, 2, 3].map((id) => attempt(20_000 + id, bob, { claimedMs: old, startedMs: old, endedMs: old + id }))
    await api.store.account({ afterSeq: 1, nextSeq: 2, records: gone, meters: [], ended: [] })
    await api.store.forgetUsageRecords(old + 3, 10)
    const april = ['export', '--month', '2026-04', '--format'] as const
    const { code, out, err } = await run('operator', ...april, 'csv')
    expect([code, out.split('\r\n').length, err]).toEqual([1, 3, expect.stringContaining('1 of 3 usage records')])
    expect(await run('operator', ...april, 'apel-summary')).toMatchObject({
      code: 0,
      out: expect.stringContaining('NumberOfJobs: 3\n'),
    })
  })

  it('takes a known format, month and benchmark alone', async () => {
    for (const argv of [
      ['--month', '2026-10'],
      ['--month', '2026-10', '--format', 'pdf'],
      ['--month', '2026-10-01', '--format', 'csv'],
      ['--month', '2026-10', '--format', 'csv', '--service-level', 'MIPS:3'],
      ['--month', '2026-10', '--format', 'csv', '--infrastructure', 'cloud'],
    ]) {
      expect(await run('operator', 'export', ...argv)).toMatchObject({ code: 2 })
    }
  })
})

describe('requests over gRPC', () => {
  const { reportUsage, listUsageRecords } = AccountingServiceService
  const period = { fromDay: '2026-10-01', toDay: '2026-11-01' }
  const { VO, DAY } = UsageAttribute

  it.each([
    ['an unknown attribute', { ...period, by: [99] }, 'by[0]'],
    ['an attribute twice', { ...period, by: [VO, VO] }, 'by'],
    ['a filter by day', { ...period, filters: [{ attribute: DAY, value: '2026-10-01' }] }, 'filters[0].attribute'],
    [
      'two filters by one attribute',
      {
        ...period,
        filters: [
          { attribute: VO, value: 'a' },
          { attribute: VO, value: 'b' },
        ],
      },
      'filters[1].attribute',
    ],
    ['no day', { fromDay: 'x', toDay: '2026-11-01' }, 'from_day'],
    ['a token that is none', { ...period, pageToken: 'x' }, 'page_token'],
    ['a token of another report', { ...period, by: [VO, DAY], pageToken: 'WyJsaGNiIl0' }, 'page_token'],
    ['a page that is too large', { ...period, pageSize: 1001 }, 'page_size'],
  ])('refuses %s by the name of its field', async (_, request, field) => {
    const answer = await api.raw.call(
      reportUsage,
      [ReportUsageRequest.fromPartial(request as Partial<ReportUsageRequest>)],
      { token },
    )
    expect(answer.code).toBe(3)
    expect(JSON.stringify(answer.error)).toContain(`"${field}"`)
  })

  it.each([
    ['a kind that is none', { toTime: new Date(5), kind: 'job' }],
    ['a period that ends before it begins', { fromTime: new Date(5), toTime: new Date(4) }],
    ['a token that is none', { toTime: new Date(5), pageToken: 'WzFd' }],
  ])('refuses %s', async (_, request) => {
    const answer = await api.raw.call(listUsageRecords, [ListUsageRecordsRequest.fromPartial(request)], { token })
    expect(answer.code).toBe(3)
  })
})
