/**
 * Exports of usage: what APEL's documentation of its messages and the schema of the OGF's usage records ask for, held
 * against what is written, also of names that break every format.
 */

import fc from 'fast-check'
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { describe, expect, it } from 'vitest'
import {
  type ApelOptions,
  individualHeader,
  individualRecord,
  isForApel,
  summarisedBy,
  summaryHeader,
  summaryRecords,
} from '../../../core/accounting/apel.ts'
import { billedBy, billOf } from '../../../core/accounting/bill.ts'
import { usageCsvHeader, usageCsvLine } from '../../../core/accounting/usage-csv.ts'
import { usageXml, usageXmlBegin, usageXmlEnd } from '../../../core/accounting/usage-xml.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import {
  type AttemptUsage,
  attemptEndings,
  summedUsage,
  type UsageMeasures,
  type UsageRow,
  type VmUsage,
} from '../../../core/model/usage-record.ts'

const november = Date.UTC(2026, 10, 1)
const month = '2026-11'
const options: ApelOptions = { serviceLevelType: 'HEPSPEC', serviceLevel: 10, infrastructure: 'grid' }
const name = fc.oneof(fc.constantFrom('lhcb', 'a"b', 'x\ny', '%%', 'Site: 1', '<&>', '\u0007\u202e\ud800'), fc.string())
const someRecord: fc.Arbitrary<AttemptUsage> = fc
  .record({
    vo: name,
    group: name,
    owner: name,
    site: name,
    cloud: name,
    flavor: name,
    cores: fc.integer({ min: 1, max: 64 }),
    claimedMs: fc.integer({ min: november, max: november + 1e9 }),
    heldMs: fc.nat(1e9),
    isStarted: fc.boolean(),
    peakMemoryBytes: fc.nat(),
    ending: fc.constantFrom(...attemptEndings),
  })
  .map(({ heldMs, isStarted, ...rest }) => ({
    kind: 'attempt',
    ...rest,
    jobId: 17 as JobId,
    attempt: 2,
    vmId: 'vm-aaaaaaaaaa' as VmId,
    startedMs: isStarted ? rest.claimedMs + Math.floor(heldMs / 2) : 0,
    endedMs: rest.claimedMs + heldMs,
    wallMs: isStarted ? Math.floor(heldMs / 3) : 0,
    cpuMs: isStarted ? Math.floor(heldMs / 4) : 0,
    coreMs: heldMs * rest.cores,
    moneyMicros: heldMs,
  }))

type Kind = 'text' | 'int' | 'float'

/** As EGI documents them: which there may be, and which there must be (`!`). */
const individualFields: Readonly<Record<string, Kind | `${Kind}!`>> = {
  Site: 'text!',
  SubmitHost: 'text',
  MachineName: 'text',
  Queue: 'text',
  LocalJobId: 'text!',
  LocalUserId: 'text',
  GlobalUserName: 'text',
  FQAN: 'text',
  WallDuration: 'int!',
  CpuDuration: 'int!',
  Processors: 'int',
  NodeCount: 'int',
  StartTime: 'int!',
  EndTime: 'int!',
  InfrastructureDescription: 'text',
  InfrastructureType: 'text',
  MemoryReal: 'int',
  MemoryVirtual: 'int',
  ServiceLevelType: 'text!',
  ServiceLevel: 'float!',
}
const summaryFields: Readonly<Record<string, Kind | `${Kind}!`>> = {
  Site: 'text!',
  Month: 'int!',
  Year: 'int!',
  GlobalUserName: 'text',
  VO: 'text',
  VOGroup: 'text',
  VORole: 'text',
  SubmitHost: 'text',
  Infrastructure: 'text',
  Processors: 'int',
  NodeCount: 'int',
  EarliestEndTime: 'int',
  LatestEndTime: 'int',
  WallDuration: 'int!',
  CpuDuration: 'int!',
  NormalisedWallDuration: 'int!',
  NormalisedCpuDuration: 'int!',
  NumberOfJobs: 'int!',
}

/** Read as APEL's loader does: a header, records between marks, a key and a value per line. */
function readMessage(text: string, header: string, fields: typeof individualFields): readonly Record<string, string>[] {
  expect(text.startsWith(header)).toBe(true)
  const records = text.slice(header.length).split('%%')
  expect(records.pop()?.trim()).toBe('')
  return records.map((record) => {
    const found: Record<string, string> = {}
    for (const line of record.trim().split('\n')) {
      const [, key = '', value = ''] = /^([A-Za-z]+): (.*\S.*)$/.exec(line) ?? []
      expect(fields[key], line).toBeDefined()
      expect(found[key], `${key} twice`).toBeUndefined()
      if (fields[key]?.startsWith('int')) expect(value).toMatch(/^\d+$/)
      if (fields[key]?.startsWith('float')) expect(Number(value)).toBeGreaterThan(0)
      found[key] = value
    }
    for (const [key, kind] of Object.entries(fields)) if (kind.endsWith('!')) expect(found[key], key).toBeDefined()
    return found
  })
}

const rowsOf = (records: readonly AttemptUsage[], by = summarisedBy): UsageRow[] =>
  summedUsage(records).map(({ key, measures }) => {
    return { values: by.map((attribute) => String(key[attribute as keyof typeof key])), measures }
  })

describe('messages of APEL', () => {
  it('of individual jobs have the documented fields, whatever names there are', () => {
    fc.assert(
      fc.property(fc.array(someRecord, { maxLength: 5 }), (all) => {
        const records = all.filter(isForApel)
        const text = individualHeader + records.map((one) => individualRecord(one, options)).join('')
        const read = readMessage(text, individualHeader, individualFields)
        expect(read).toHaveLength(records.length)
        for (const one of read) expect(Number(one.EndTime)).toBeGreaterThanOrEqual(Number(one.StartTime))
      }),
    )
  })

  it('of a month have the documented fields, and count what the individual ones have', () => {
    fc.assert(
      fc.property(fc.array(someRecord, { maxLength: 20 }), (records) => {
        const text = summaryHeader + summaryRecords(month, rowsOf(records), options).join('')
        const read = readMessage(text, summaryHeader, summaryFields)
        const sum = (key: string): number => read.reduce((all, one) => all + Number(one[key]), 0)
        const wanted = records.filter(isForApel)
        expect(sum('NumberOfJobs')).toBe(wanted.length)
        const wallMs = wanted.reduce((all, one) => all + one.wallMs, 0)
        // Each record is rounded to a second.
        expect(Math.abs(sum('WallDuration') - wallMs / 1000)).toBeLessThanOrEqual(read.length)
        for (const one of read) {
          expect([one.Year, one.Month]).toEqual(['2026', '11'])
          expect(Number(one.LatestEndTime)).toBeGreaterThanOrEqual(Number(one.EarliestEndTime))
          expect(Number(one.NormalisedWallDuration)).toBeCloseTo(Number(one.WallDuration) * 10, -1.5)
        }
      }),
    )
  })
})

/** Of the schema's sequence, those that are written; each but `Resource` at most once. */
const order = [
  'RecordIdentity',
  'JobIdentity',
  'UserIdentity',
  'Charge',
  'Status',
  'Memory',
  'WallDuration',
  'CpuDuration',
  'NodeCount',
  'Processors',
  'EndTime',
  'StartTime',
  'MachineName',
  'Queue',
  'ProjectName',
  'Host',
  'Resource',
]
const forms: Readonly<Record<string, RegExp>> = {
  Charge: /^\d+\.\d{6}$/,
  Status: /^(Aborted|Completed|Failed)$/,
  Memory: /^[1-9]\d*$/,
  WallDuration: /^PT\d+\.\d{3}S$/,
  CpuDuration: /^PT\d+\.\d{3}S$/,
  NodeCount: /^[1-9]\d*$/,
  Processors: /^[1-9]\d*$/,
  EndTime: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
  StartTime: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
  MachineName: /^([a-zA-Z0-9][a-zA-Z0-9'-]*[a-zA-Z0-9]\.)*([a-zA-Z0-9][a-zA-Z0-9'-]*[a-zA-Z0-9])?$/,
}

describe('usage records of the OGF', () => {
  it('are well formed, in the order of the schema, with values of its types, whatever names there are', () => {
    fc.assert(
      fc.property(fc.array(someRecord, { minLength: 1, maxLength: 4 }), (records) => {
        const text = usageXmlBegin + records.map((one) => usageXml(one, 'ce.here', november)).join('') + usageXmlEnd
        expect(XMLValidator.validate(text)).toBe(true)
        const parsed = new XMLParser({ ignoreAttributes: false, parseTagValue: false, preserveOrder: true }).parse(text)
        const found = parsed[1]['urf:UsageRecords'] as readonly Record<string, readonly Record<string, unknown>[]>[]
        expect(found).toHaveLength(records.length)
        for (const record of found) {
          const elements = record['urf:JobUsageRecord'] ?? []
          const names = elements.map((one) => Object.keys(one)[0]?.replace('urf:', '') ?? '')
          expect(names).toEqual([...names].sort((a, b) => order.indexOf(a) - order.indexOf(b)))
          const single = names.filter((one) => one !== 'Resource')
          expect(new Set(single).size).toBe(single.length)
          expect(names.slice(0, 3)).toEqual(['RecordIdentity', 'JobIdentity', 'UserIdentity'])
          expect(names).toContain('Status')
          for (const [at, one] of elements.entries()) {
            const form = forms[names[at] ?? '']
            const [content] = Object.values(one) as readonly (readonly { '#text'?: string }[])[]
            if (form) expect(content?.[0]?.['#text']).toMatch(form)
          }
        }
      }),
    )
  })
})

describe('comma-separated values', () => {
  it('have one line per record, as many cells as columns, and no formula', () => {
    const cells = (line: string): number => {
      expect(line.endsWith('\r\n')).toBe(true)
      const text = line.slice(0, -2)
      const found = [...text.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",\r\n]*))/g)]
      expect(found.map(([whole]) => whole).join('')).toBe(text)
      for (const [, quoted, bare] of found) expect((quoted ?? bare ?? '').slice(0, 1)).not.toMatch(/[=+@]/)
      return found.length
    }
    const columns = cells(usageCsvHeader)
    const vm: VmUsage = {
      kind: 'vm',
      vmId: 'vm-aaaaaaaaaa' as VmId,
      vo: '=1+1',
      site: 'a,b',
      cloud: '"',
      flavor: '',
      cores: 2,
      memoryBytes: 5,
      pricePerHour: 1,
      intendedMs: 1,
      activeMs: 0,
      endedMs: 2,
      state: 'Failed',
      attempts: 0,
      usedCoreMs: 0,
      overheadCoreMs: { 'failed-boot': 1500 },
      moneyMicros: 1,
    }
    expect(cells(usageCsvLine(vm))).toBe(columns)
    fc.assert(
      fc.property(someRecord, (record) => {
        expect(cells(usageCsvLine(record))).toBe(columns)
      }),
    )
  })
})

describe('a bill', () => {
  const measures = (moneyMicros: number, coreMs = 0, records = 1): UsageMeasures => {
    return { records, coreMs, wallMs: 0, cpuMs: 0, memoryMibS: 0, moneyMicros, firstEndMs: 1, lastEndMs: 1 }
  }

  it('divides what VMs of several VOs left over by what their attempts cost', () => {
    const rows = [
      { values: ['', 'vm'], measures: measures(1000) },
      { values: ['belle', 'attempt'], measures: measures(100, 7) },
      { values: ['lhcb', 'attempt'], measures: measures(300, 9, 4) },
      { values: ['lhcb', 'vm'], measures: measures(50) },
    ]
    expect(billOf(rows)).toEqual([
      {
        vo: 'belle',
        attempts: 1,
        coreMs: 7,
        usedMicros: 100,
        ownOverheadMicros: 0,
        sharedOverheadMicros: 250,
        totalMicros: 350,
      },
      {
        vo: 'lhcb',
        attempts: 4,
        coreMs: 9,
        usedMicros: 300,
        ownOverheadMicros: 50,
        sharedOverheadMicros: 750,
        totalMicros: 1100,
      },
    ])
  })

  it('is by VO, whatever the order of its rows, from what it is asked by', () => {
    expect(billedBy).toEqual(['vo', 'kind'])
    const rows = ['b', 'c', 'a'].map((vo) => ({ values: [vo, 'attempt'], measures: measures(1) }))
    expect(billOf(rows).map(({ vo }) => vo)).toEqual(['a', 'b', 'c'])
  })

  it('divides by core time where nothing cost anything, and keeps what cannot be divided', () => {
    const shared = { values: ['', 'vm'], measures: measures(90) }
    const free = [
      { values: ['a', 'attempt'], measures: measures(0, 10) },
      { values: ['b', 'attempt'], measures: measures(0, 20) },
      { values: ['c', 'attempt'], measures: measures(0, 0) },
    ]
    expect(billOf([shared, ...free]).map(({ totalMicros }) => totalMicros)).toEqual([30, 60, 0])
    const idle = free.map((row) => ({ ...row, measures: measures(0) }))
    expect(billOf([shared, ...idle]).map(({ totalMicros }) => totalMicros)).toEqual([30, 30, 30])
    expect(billOf([shared])).toMatchObject([{ vo: '', attempts: 0, sharedOverheadMicros: 90, totalMicros: 90 }])
  })

  it('has the price of all VMs on it, once', () => {
    const row = fc.record({
      values: fc.tuple(fc.constantFrom('', 'a', 'b', 'c', 'd'), fc.constantFrom('attempt', 'vm')),
      measures: fc.tuple(fc.nat(1e12), fc.nat(1e12)).map(([money, coreMs]) => measures(money, coreMs)),
    })
    fc.assert(
      fc.property(fc.array(row), (rows) => {
        const whole = rows.reduce((sum, one) => sum + one.measures.moneyMicros, 0)
        const lines = billOf(rows)
        expect(lines.reduce((sum, one) => sum + one.totalMicros, 0)).toBe(whole)
        for (const line of lines)
          expect(Object.values(line).every((value) => typeof value === 'string' || value >= 0)).toBe(true)
      }),
    )
  })
})
