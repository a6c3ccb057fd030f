/**
 * Usage records of attempts in the XML of the Open Grid Forum (GFD-R-P.098, `UsageRecords` of `JobUsageRecord`), in the
 * order and with the types of its schema. What it has no element for (site, cloud, group, how the attempt ended) stands in
 * its own extension, `Resource`, by description. ADR 0045 says why not the later edition.
 */

import type { AttemptEnding, AttemptUsage } from '../model/usage-record.ts'

const namespace = 'http://schema.ogf.org/urf/2003/09/urf'

export const usageXmlBegin = `<?xml version="1.0" encoding="UTF-8"?>\n<urf:UsageRecords xmlns:urf="${namespace}">\n`
export const usageXmlEnd = '</urf:UsageRecords>\n'

/** Of the set that the schema names as the minimum. */
const statuses: Readonly<Record<AttemptEnding, 'Completed' | 'Failed' | 'Aborted'>> = {
  done: 'Completed',
  failed: 'Failed',
  'limit-exceeded': 'Aborted',
  killed: 'Aborted',
  rescheduled: 'Aborted',
  'machine-lost': 'Failed',
  'not-started': 'Failed',
  abandoned: 'Failed',
  withdrawn: 'Aborted',
}

/** `installation`: what makes job numbers unique in the world; `createdMs`: when the record is written. */
export function usageXml(record: AttemptUsage, installation: string, createdMs: number): string {
  const { jobId, attempt, vo, owner, vmId, cloud, flavor, cores, peakMemoryBytes, ending } = record
  const id = `${installation}/job/${jobId}/attempt/${attempt}`
  const startMs = record.startedMs || record.claimedMs
  const elements = [
    `<urf:RecordIdentity urf:recordId="${escaped(id)}" urf:createTime="${timeText(createdMs)}"/>`,
    `<urf:JobIdentity>${element('GlobalJobId', `${installation}/job/${jobId}`)}${element('LocalJobId', `${jobId}.${attempt}`)}</urf:JobIdentity>`,
    `<urf:UserIdentity>${element('LocalUserId', owner)}${element('GlobalUserName', owner)}</urf:UserIdentity>`,
    element('Charge', (record.moneyMicros / 1e6).toFixed(6)),
    element('Status', statuses[ending]),
    // The schema takes no memory of 0.
    peakMemoryBytes > 0
      ? `<urf:Memory urf:storageUnit="B" urf:metric="max" urf:type="physical">${peakMemoryBytes}</urf:Memory>`
      : '',
    element('WallDuration', durationText(record.wallMs)),
    element('CpuDuration', durationText(record.cpuMs)),
    element('NodeCount', 1),
    element('Processors', cores),
    element('EndTime', timeText(Math.max(startMs, record.endedMs))),
    element('StartTime', timeText(startMs)),
    isDomainName(cloud) ? element('MachineName', cloud) : '',
    element('Queue', flavor),
    element('ProjectName', vo),
    isDomainName(vmId) ? element('Host', vmId) : '',
    ...resources(record),
  ]
  return `  <urf:JobUsageRecord>\n${elements.flatMap((one) => (one === '' ? [] : [`    ${one}\n`])).join('')}  </urf:JobUsageRecord>\n`
}

function resources({ site, cloud, group, ending, claimedMs, coreMs, gpus }: AttemptUsage): readonly string[] {
  const named: readonly (readonly [string, string | number])[] = [
    ['site', site],
    ['cloud', cloud],
    ['group', group],
    ['ending', ending],
    ['claimTime', timeText(claimedMs)],
    ['coreTime', durationText(coreMs)],
    ...(gpus ? [['gpus', gpus] as const] : []),
  ]
  return named.map(([name, value]) => `<urf:Resource urf:description="${name}">${escaped(String(value))}</urf:Resource>`)
}

function element(name: string, value: string | number): string {
  return `<urf:${name}>${escaped(String(value))}</urf:${name}>`
}

/** As the schema has it: labels of two characters at least. */
function isDomainName(text: string): boolean {
  return text.length <= 255 && /^([a-zA-Z0-9][a-zA-Z0-9'-]*[a-zA-Z0-9]\.)*[a-zA-Z0-9][a-zA-Z0-9'-]*[a-zA-Z0-9]$/.test(text)
}

function timeText(ms: number): string {
  return new Date(ms).toISOString()
}

function durationText(ms: number): string {
  return `PT${(ms / 1000).toFixed(3)}S`
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' }

/** Characters that XML cannot hold are replaced: names may hold any. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replaceAll(/[&<>"']/g, (character) => entities[character] ?? character)
    .replaceAll(/[\t\n\r]/g, ' ')
}
