/** `pilotage accounting`: what was used in a period by any grouping, what each VO pays, and exports. */

import { type Command, InvalidArgumentError, Option } from 'commander'
import type { RecordSelection } from '../../client/accounting.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import {
  type ApelOptions,
  individualHeader,
  individualRecord,
  isForApel,
  serviceLevelTypes,
  summarisedBy,
  summaryHeader,
  summaryRecords,
} from '../../core/accounting/apel.ts'
import { billedBy, type BillLine, billOf } from '../../core/accounting/bill.ts'
import { askedBy, type ReportRow, reportRows } from '../../core/accounting/report-rows.ts'
import { usageCsvHeader, usageCsvLine } from '../../core/accounting/usage-csv.ts'
import { usageXml, usageXmlBegin, usageXmlEnd } from '../../core/accounting/usage-xml.ts'
import { counted } from '../../core/kernel/text.ts'
import {
  dayOf,
  type UsageAttribute,
  usageAttributes,
  type UsageFilter,
  type UsageRecord,
} from '../../core/model/usage-record.ts'
import { type Choose, withService } from '../action.ts'
import { writeTable } from '../output/rows.ts'
import { type Column, jsonLines } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

const known = usageAttributes.join(', ')
const dayMs = 24 * 3_600_000
const formats = ['ur', 'apel-summary', 'apel-individual', 'csv'] as const

export function addAccountingCommands(program: Command, choose: Choose): void {
  const accounting = program.command('accounting').description('report what was used, and what it cost')
  accounting
    .command('report')
    .description('sum up usage in a period, one row per combination of attributes')
    .option('--by <attributes>', `one or more of ${known}, with commas between`, readAttributes, ['vo'] as const)
    .option('--from <day>', 'first day of the period, or a month (default: the first day of this month)', readDay)
    .option('--to <day>', 'last day of the period, or a month (default: today)', readDay)
    .option('--vo <vo>', 'only this VO')
    .option('--site <site>', 'only this site')
    .option('--reason <reason>', 'only this ending of attempts, or this overhead of VMs')
    .action(withService(choose, report))
  accounting
    .command('bill')
    .description('divide the price of all VMs of a month among the VOs')
    .requiredOption('--month <month>', 'as 2026-11', readMonth)
    .option('--vo <vo>', 'only this VO, without its part of what VMs of several VOs left over')
    .action(withService(choose, bill))
  accounting
    .command('export')
    .description('write the usage of a month to stdout, in a format that other programs read')
    .addOption(new Option('--format <format>', 'format of the records').choices(formats).makeOptionMandatory())
    .requiredOption('--month <month>', 'as 2026-11', readMonth)
    .option('--vo <vo>', 'only this VO')
    .option('--submit-host <name>', 'CE of the records, and what makes their ids unique (default: the cloud, pilotage)')
    .option('--infrastructure <kind>', 'grid or local, for APEL', readInfrastructure, 'grid' as const)
    .option(
      '--service-level <type:value>',
      `benchmark of one core, for APEL: ${serviceLevelTypes.join(', ')} and its value`,
      readServiceLevel,
      { serviceLevelType: 'HEPSPEC', serviceLevel: 1 } as const,
    )
    .action(withService(choose, exportUsage))
}

function readMonth(text: string): Period {
  if (text.length === 7) return readDay(text)
  throw new InvalidArgumentError('accepted: a month as 2026-11')
}

function readInfrastructure(text: string): ApelOptions['infrastructure'] {
  if (text === 'grid' || text === 'local') return text
  throw new InvalidArgumentError('accepted: grid or local')
}

function readServiceLevel(text: string): Pick<ApelOptions, 'serviceLevelType' | 'serviceLevel'> {
  const [name, value = ''] = text.split(':')
  const serviceLevelType = serviceLevelTypes.find((type) => type === name)
  const serviceLevel = /^\d{1,9}(\.\d{1,6})?$/.test(value) ? Number(value) : 0
  if (serviceLevelType && serviceLevel > 0) return { serviceLevelType, serviceLevel }
  throw new InvalidArgumentError(`accepted: ${serviceLevelTypes.join(', ')}, a colon, and a number above 0`)
}

function readAttributes(text: string): readonly UsageAttribute[] {
  const by = text.split(',').map((word) => usageAttributes.find((attribute) => attribute === word.trim()))
  if (by.every((attribute) => attribute !== undefined) && new Set(by).size === by.length) return by
  throw new InvalidArgumentError(`accepted: different ones of ${known}`)
}

/** A day, or a month. */
export type Period = { readonly fromDay: string; readonly toDay: string }

function readDay(text: string): Period {
  const form = /^\d{4}-\d{2}(-\d{2})?$/
  const first = text.length === 7 ? `${text}-01` : text
  const startMs = Date.parse(first)
  if (!form.test(text) || Number.isNaN(startMs) || dayOf(startMs) !== first) {
    throw new InvalidArgumentError('accepted: a day as 2026-11-30, or a month as 2026-11')
  }
  return { fromDay: first, toDay: text.length === 7 ? nextMonth(first) : dayOf(startMs + dayMs) }
}

function nextMonth(firstDay: string): string {
  const [year = 0, month = 0] = firstDay.split('-').map(Number)
  return dayOf(Date.UTC(year, month, 1))
}

type ReportOptions = CommonOptions & {
  readonly by: readonly UsageAttribute[]
  readonly from?: Period
  readonly to?: Period
} & Pick<UsageFilter, 'vo' | 'site' | 'reason'>

async function report(setting: Setting, client: PilotageClient, options: ReportOptions): Promise<ExitCode> {
  const { terminal, clock } = setting
  const { by, from, to, vo, site, reason, json } = options
  const today = dayOf(clock.nowMs())
  const fromDay = from?.fromDay ?? `${today.slice(0, 7)}-01`
  const toDay = to?.toDay ?? dayOf(clock.nowMs() + dayMs)
  const filter = Object.fromEntries(Object.entries({ vo, site, reason }).filter(([, value]) => value !== undefined))
  const rows = reportRows(by, await gathered(client.usage({ by: askedBy(by), fromDay, toDay, filter })))
  if (json) await terminal.write(jsonLines(rows.map((row) => namedRow(by, row))))
  else await writeTable(terminal, columnsOf(by), rows)
  return 0
}

async function gathered<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

function namedRow(by: readonly UsageAttribute[], { values, attempts, vms, measures }: ReportRow): object {
  const { records: _, ...sums } = measures
  return { ...Object.fromEntries(by.map((attribute, at) => [attribute, values[at] ?? ''])), attempts, vms, ...sums }
}

function columnsOf(by: readonly UsageAttribute[]): readonly Column<ReportRow>[] {
  const hours = (ms: number): string => (ms / 3_600_000).toFixed(2)
  return [
    ...by.map((attribute, at): Column<ReportRow> => {
      return { title: attribute.toUpperCase(), cell: ({ values }) => values[at] || '-' }
    }),
    { title: 'ATTEMPTS', right: true, cell: ({ attempts }) => attempts },
    { title: 'VMS', right: true, cell: ({ vms }) => vms },
    { title: 'CORE HOURS', right: true, cell: ({ measures }) => hours(measures.coreMs) },
    { title: 'WALL HOURS', right: true, cell: ({ measures }) => hours(measures.wallMs) },
    { title: 'CPU HOURS', right: true, cell: ({ measures }) => hours(measures.cpuMs) },
    { title: 'MONEY', right: true, cell: ({ measures }) => moneyText(measures.moneyMicros) },
  ]
}

export function moneyText(micros: number): string {
  return (micros / 1e6).toFixed(2)
}

type BillOptions = CommonOptions & { readonly month: Period; readonly vo?: string }

async function bill({ terminal }: Setting, client: PilotageClient, { month, vo, json }: BillOptions): Promise<ExitCode> {
  const filter = vo === undefined ? {} : { vo }
  const lines = billOf(await gathered(client.usage({ ...month, by: billedBy, filter })))
  const named = lines.map((line) => ({ month: month.fromDay.slice(0, 7), ...line }))
  if (json) await terminal.write(jsonLines(named))
  else await writeTable(terminal, billColumns, named)
  return 0
}

type NamedLine = BillLine & { readonly month: string }

const billColumns: readonly Column<NamedLine>[] = [
  { title: 'MONTH', cell: ({ month }) => month },
  { title: 'VO', cell: ({ vo }) => vo || '-' },
  { title: 'ATTEMPTS', right: true, cell: ({ attempts }) => attempts },
  { title: 'CORE HOURS', right: true, cell: ({ coreMs }) => (coreMs / 3_600_000).toFixed(2) },
  { title: 'USED', right: true, cell: ({ usedMicros }) => moneyText(usedMicros) },
  { title: 'OWN OVERHEAD', right: true, cell: ({ ownOverheadMicros }) => moneyText(ownOverheadMicros) },
  { title: 'SHARED OVERHEAD', right: true, cell: ({ sharedOverheadMicros }) => moneyText(sharedOverheadMicros) },
  { title: 'TOTAL', right: true, cell: ({ totalMicros }) => moneyText(totalMicros) },
]

type ExportOptions = CommonOptions & {
  readonly format: (typeof formats)[number]
  readonly month: Period
  readonly vo?: string
  readonly submitHost?: string
  readonly infrastructure: ApelOptions['infrastructure']
  readonly serviceLevel: Pick<ApelOptions, 'serviceLevelType' | 'serviceLevel'>
}

async function exportUsage({ terminal, clock }: Setting, client: PilotageClient, options: ExportOptions): Promise<ExitCode> {
  // A file gets the text as it is, a terminal without the control characters of names.
  const write = (text: string): Promise<boolean> => terminal.write(terminal.isTerminal ? text : Buffer.from(text))
  if (options.format === 'apel-summary') {
    for (const text of await summary(client, options)) await write(text)
    return 0
  }
  const expected = await recordsOf(client, options)
  let kept = 0
  await write(begins[options.format])
  for await (const record of client.usageRecords(selectionOf(options))) {
    kept += 1
    // Who reads has closed the pipe.
    if (!(await write(textOf(record, options, clock.nowMs())))) return 0
  }
  await write(options.format === 'ur' ? usageXmlEnd : '')
  if (kept >= expected) return 0
  terminal.say(
    `incomplete: ${kept} of ${counted(expected, 'usage record')} of this month are kept (accounting.keepRecords); ` +
      'report, bill and apel-summary have all of it',
  )
  return 1
}

const begins = { ur: usageXmlBegin, 'apel-individual': individualHeader, csv: usageCsvHeader } as const

/** What its daily sums say that there were; what ends while the export is written comes on top. */
async function recordsOf(client: PilotageClient, options: ExportOptions): Promise<number> {
  const { kind, vo } = selectionOf(options)
  const filter = { ...(kind === undefined ? {} : { kind }), ...(vo === undefined ? {} : { vo }) }
  const rows = await gathered(client.usage({ ...options.month, by: [], filter }))
  return rows.reduce((sum, { measures }) => sum + measures.records, 0)
}

function selectionOf({ format, month, vo }: ExportOptions): RecordSelection {
  const kind = format === 'csv' ? {} : ({ kind: 'attempt' } as const)
  return { fromMs: Date.parse(month.fromDay), toMs: Date.parse(month.toDay), ...kind, ...(vo === undefined ? {} : { vo }) }
}

function apelOptions({ submitHost, infrastructure, serviceLevel }: ExportOptions): ApelOptions {
  return { ...serviceLevel, infrastructure, ...(submitHost === undefined ? {} : { submitHost }) }
}

async function summary(client: PilotageClient, options: ExportOptions): Promise<readonly string[]> {
  const { month, vo } = options
  const filter = { kind: 'attempt', ...(vo === undefined ? {} : { vo }) }
  const rows = await gathered(client.usage({ ...month, by: summarisedBy, filter }))
  return [summaryHeader, ...summaryRecords(month.fromDay.slice(0, 7), rows, apelOptions(options))]
}

function textOf(record: UsageRecord, options: ExportOptions, nowMs: number): string {
  if (options.format === 'csv') return usageCsvLine(record)
  if (record.kind !== 'attempt') return ''
  if (options.format === 'ur') return usageXml(record, options.submitHost ?? 'pilotage', nowMs)
  return isForApel(record) ? individualRecord(record, apelOptions(options)) : ''
}
