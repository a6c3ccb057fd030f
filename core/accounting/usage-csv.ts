/** Usage records as comma-separated values (RFC 4180): one line per attempt and per VM, columns that do not apply empty. */

import { overheads, type UsageRecord } from '../model/usage-record.ts'

const columns = [
  'kind',
  'job',
  'attempt',
  'vm',
  'vo',
  'group',
  'owner',
  'site',
  'cloud',
  'flavor',
  'cores',
  'gpus',
  'began',
  'started',
  'ended',
  'outcome',
  'wall_seconds',
  'cpu_seconds',
  'peak_memory_bytes',
  'core_seconds',
  'money',
  ...overheads.map((reason) => `${reason.replaceAll('-', '_')}_core_seconds`),
] as const

export const usageCsvHeader = `${columns.join(',')}\r\n`

/** `began`: the claim of an attempt, the intent of a VM. `core_seconds`: of a VM all of it, what attempts held included. */
export function usageCsvLine(record: UsageRecord): string {
  const { vmId, vo, site, cloud, flavor, cores, gpus = 0, endedMs, moneyMicros } = record
  const place = [site, cloud, flavor, cores, gpus]
  const money = (moneyMicros / 1e6).toFixed(6)
  if (record.kind === 'attempt') {
    const { jobId, attempt, group, owner, claimedMs, startedMs, ending, wallMs, cpuMs, peakMemoryBytes, coreMs } = record
    const times = [timeText(claimedMs), timeText(startedMs), timeText(endedMs), ending]
    const used = [secondsText(wallMs), secondsText(cpuMs), peakMemoryBytes, secondsText(coreMs), money]
    return lineOf([
      'attempt',
      jobId,
      attempt,
      vmId,
      vo,
      group,
      owner,
      ...place,
      ...times,
      ...used,
      ...overheads.map(() => ''),
    ])
  }
  const { intendedMs, activeMs, state, usedCoreMs, overheadCoreMs } = record
  const wasted = overheads.map((reason) => overheadCoreMs[reason] ?? 0)
  const whole = wasted.reduce((sum, coreMs) => sum + coreMs, usedCoreMs)
  const times = [timeText(intendedMs), timeText(activeMs), timeText(endedMs), state]
  const used = ['', '', '', secondsText(whole), money]
  return lineOf(['vm', '', '', vmId, vo, '', '', ...place, ...times, ...used, ...wasted.map(secondsText)])
}

function lineOf(values: readonly (string | number)[]): string {
  return `${values.map(cell).join(',')}\r\n`
}

/** A text that a spreadsheet would take for a formula gets a sign in front. */
function cell(value: string | number): string {
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function timeText(ms: number): string {
  return ms === 0 ? '' : new Date(ms).toISOString()
}

function secondsText(ms: number): string {
  return (ms / 1000).toFixed(3)
}
