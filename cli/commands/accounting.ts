/** `pilotage accounting`: what was used in a period, by any grouping. */

import { type Command, InvalidArgumentError } from 'commander'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import {
  dayOf,
  type UsageAttribute,
  usageAttributes,
  type UsageFilter,
  type UsageRow,
} from '../../core/model/usage-record.ts'
import { type Choose, withService } from '../action.ts'
import { writeTable } from '../output/rows.ts'
import { type Column, jsonLines } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

const known = usageAttributes.join(', ')
const dayMs = 24 * 3_600_000

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
  const rows = await gathered(client.usage({ by, fromDay, toDay, filter }))
  if (json) await terminal.write(jsonLines(rows.map((row) => namedRow(by, row))))
  else await writeTable(terminal, columnsOf(by), rows)
  return 0
}

async function gathered<Item>(items: AsyncIterable<Item>): Promise<readonly Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

function namedRow(by: readonly UsageAttribute[], { values, measures }: UsageRow): object {
  return { ...Object.fromEntries(by.map((attribute, at) => [attribute, values[at] ?? ''])), ...measures }
}

function columnsOf(by: readonly UsageAttribute[]): readonly Column<UsageRow>[] {
  const hours = (ms: number): string => (ms / 3_600_000).toFixed(2)
  return [
    ...by.map((attribute, at): Column<UsageRow> => {
      return { title: attribute.toUpperCase(), cell: ({ values }) => values[at] || '-' }
    }),
    { title: 'ENDED', right: true, cell: ({ measures }) => measures.records },
    { title: 'CORE HOURS', right: true, cell: ({ measures }) => hours(measures.coreMs) },
    { title: 'WALL HOURS', right: true, cell: ({ measures }) => hours(measures.wallMs) },
    { title: 'CPU HOURS', right: true, cell: ({ measures }) => hours(measures.cpuMs) },
    { title: 'MONEY', right: true, cell: ({ measures }) => moneyText(measures.moneyMicros) },
  ]
}

export function moneyText(micros: number): string {
  return (micros / 1e6).toFixed(2)
}
