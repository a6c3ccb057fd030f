/**
 * Usage as messages of APEL, the accounting of EGI and WLCG: of individual jobs (v0.3), and summaries of a month with
 * normalised durations (v0.3), as EGI's documentation of the message formats has them.
 *
 * APEL counts jobs that ran: an attempt that no payload was started for is left out of both, so that a summary counts what
 * the individual messages of its month have. Durations are what pilots measured, in whole seconds; of an attempt that was
 * lost with its machine there is none.
 */

import type { AttemptEnding, AttemptUsage, UsageAttribute, UsageRow } from '../model/usage-record.ts'

export const serviceLevelTypes = ['HEPSPEC', 'Si2k', 'HEPscore23'] as const
export type ServiceLevelType = (typeof serviceLevelTypes)[number]

/** How fast a core of the installation is, by a benchmark; and the CE that the records are of. */
export type ApelOptions = {
  readonly serviceLevelType: ServiceLevelType
  readonly serviceLevel: number
  /** Absent: the name of the cloud. */
  readonly submitHost?: string
  readonly infrastructure: 'grid' | 'local'
}

export const individualHeader = 'APEL-individual-job-message: v0.3\n'
export const summaryHeader = 'APEL-summary-job-message: v0.3\n'

/** What the rows of a summary are asked by. */
export const summarisedBy: readonly UsageAttribute[] = ['site', 'vo', 'group', 'owner', 'cloud', 'cores', 'reason']

const notRun: readonly string[] = ['withdrawn', 'not-started'] satisfies readonly AttemptEnding[]

export function isForApel({ ending }: Pick<AttemptUsage, 'ending'>): boolean {
  return !notRun.includes(ending)
}

/** One record, with the mark of its end. */
export function individualRecord(record: AttemptUsage, options: ApelOptions): string {
  const { jobId, attempt, vo, group, owner, site, cloud, vmId, flavor, cores } = record
  const startMs = record.startedMs || record.claimedMs
  return recordOf([
    ['Site', siteName(site)],
    ['SubmitHost', options.submitHost ?? cloud],
    ['MachineName', vmId],
    ['Queue', flavor],
    ['LocalJobId', `${jobId}.${attempt}`],
    ['LocalUserId', owner],
    ['GlobalUserName', owner],
    ['FQAN', `${vomsGroup(vo, group)}/Role=NULL/Capability=NULL`],
    ['WallDuration', seconds(record.wallMs)],
    ['CpuDuration', seconds(record.cpuMs)],
    ['Processors', cores],
    ['NodeCount', 1],
    ['StartTime', epochSeconds(startMs)],
    ['EndTime', epochSeconds(Math.max(startMs, record.endedMs))],
    ['InfrastructureDescription', 'pilotage'],
    ['InfrastructureType', options.infrastructure],
    ...(record.peakMemoryBytes > 0 ? [['MemoryReal', Math.ceil(record.peakMemoryBytes / 1024)] as const] : []),
    ['ServiceLevelType', options.serviceLevelType],
    ['ServiceLevel', options.serviceLevel],
  ])
}

/** `rows`: of attempts of one month, by `summarisedBy`. A record per site, VO, group, owner, cloud and cores. */
export function summaryRecords(month: string, rows: readonly UsageRow[], options: ApelOptions): readonly string[] {
  const groups = new Map<string, UsageRow[]>()
  for (const row of rows) {
    if (notRun.includes(row.values.at(-1) ?? '')) continue
    const key = JSON.stringify(row.values.slice(0, -1))
    groups.set(key, [...(groups.get(key) ?? []), row])
  }
  return [...groups.values()].map((some) => summaryRecord(month, some, options))
}

function summaryRecord(month: string, rows: readonly UsageRow[], options: ApelOptions): string {
  const [site = '', vo = '', group = '', owner = '', cloud = '', cores = '1'] = rows[0]?.values ?? []
  const [year, number] = month.split('-').map(Number)
  const sum = (of: 'records' | 'wallMs' | 'cpuMs'): number => rows.reduce((all, { measures }) => all + measures[of], 0)
  const normalised = (ms: number): number => Math.round((ms / 1000) * options.serviceLevel)
  return recordOf([
    ['Site', siteName(site)],
    ['Month', number ?? 0],
    ['Year', year ?? 0],
    ['GlobalUserName', owner],
    ['VO', vo],
    ['VOGroup', vomsGroup(vo, group)],
    ['VORole', 'Role=NULL'],
    ['SubmitHost', options.submitHost ?? cloud],
    ['Infrastructure', options.infrastructure],
    ['NodeCount', 1],
    ['Processors', cores],
    ['EarliestEndTime', epochSeconds(Math.min(...rows.map(({ measures }) => measures.firstEndMs)))],
    ['LatestEndTime', epochSeconds(Math.max(...rows.map(({ measures }) => measures.lastEndMs)))],
    ['WallDuration', seconds(sum('wallMs'))],
    ['CpuDuration', seconds(sum('cpuMs'))],
    ['NormalisedWallDuration', normalised(sum('wallMs'))],
    ['NormalisedCpuDuration', normalised(sum('cpuMs'))],
    ['NumberOfJobs', sum('records')],
  ])
}

function vomsGroup(vo: string, group: string): string {
  return group === '' || group === vo ? `/${vo}` : `/${vo}/${group}`
}

function seconds(ms: number): number {
  return Math.round(ms / 1000)
}

function epochSeconds(ms: number): number {
  return Math.floor(ms / 1000)
}

/** It must be there, and APEL takes these words for none. */
function siteName(site: string): string {
  return ['', 'none', 'null'].includes(plain(site).toLowerCase()) ? 'unknown' : site
}

function recordOf(fields: readonly (readonly [key: string, value: string | number])[]): string {
  const lines = fields.flatMap(([key, value]) => {
    const text = plain(String(value))
    return text === '' ? [] : [`${key}: ${text}\n`]
  })
  return `${lines.join('')}%%\n`
}

/** One line, without the mark of a record's end: names may hold any character. */
function plain(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
    .replaceAll(/%+/g, '%')
    .trim()
}
