/**
 * What operators look at and steer: cluster status, task queues, VMs, clouds, the drain of a VM, and tokens.
 *
 * A token is written to standard output alone, or to a new file that only its owner can read.
 */

import { writeFileSync } from 'node:fs'
import { PilotageError } from '../../core/kernel/errors.ts'
import { bytesText } from '../../core/kernel/quantities.ts'
import type { Count, TaskQueue, Vm } from '../../proto/gen/pilotage/v1/operate.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { tellFacts } from './jobs.ts'
import type { CommonOptions, ExitCode, Setting } from './setting.ts'
import { type Column, jsonLine, spanText, table, timeText } from './terminal.ts'

export async function clusterStatus(
  { terminal, clock }: Setting,
  client: PilotageClient,
  { json }: CommonOptions,
): Promise<ExitCode> {
  const answer = await client.status()
  if (json) {
    await terminal.write(jsonLine(answer))
    return 0
  }
  const counted = (vo: string): readonly Column<Count>[] => [
    { title: 'STATE', cell: ({ state }) => state },
    { title: vo, cell: (count) => count.vo || '-' },
    { title: 'SITE', cell: ({ site }) => site || '-' },
    { title: 'COUNT', right: true, cell: ({ count }) => count },
  ]
  const nowMs = answer.serviceTimeMs || clock.nowMs()
  await terminal.write(`service ${answer.version}, up ${spanText(answer.startedMs, nowMs)}\n\nJobs\n`)
  await terminal.write(table(counted('VO'), answer.jobs))
  await terminal.write(`\nVMs\n${table(counted('CLOUD'), answer.vms)}`)
  return 0
}

const queueColumns: readonly Column<TaskQueue>[] = [
  { title: 'TASK QUEUE', cell: ({ taskQueue }) => taskQueue },
  { title: 'VO', cell: ({ vo }) => vo },
  { title: 'GROUP', cell: ({ group }) => group },
  { title: 'OWNER', cell: ({ owner }) => owner },
  { title: 'WAITING', right: true, cell: ({ waiting }) => waiting },
  { title: 'PRIORITY', right: true, cell: ({ topPriority }) => topPriority },
  { title: 'OLDEST', cell: ({ oldestMs }) => timeText(oldestMs) },
  { title: 'CORES', right: true, cell: ({ requirements }) => coresText(requirements?.cores) },
  { title: 'MEMORY', right: true, cell: ({ requirements }) => bytesText(requirements?.memoryBytes ?? 0) },
  { title: 'WAITS FOR', cell: ({ waitsFor }) => waitsFor },
]

export async function queues(
  { terminal }: Setting,
  client: PilotageClient,
  options: CommonOptions & { limit?: number },
): Promise<ExitCode> {
  const answer = await client.queues(options.limit)
  if (options.json) await terminal.write(jsonLine(answer))
  else await terminal.write(`${table(queueColumns, answer.queues)}${answer.queues.length} of ${answer.total}\n`)
  return 0
}

export const vmColumns: readonly Column<Vm>[] = [
  { title: 'VM', cell: ({ vmId }) => vmId },
  { title: 'STATE', cell: ({ state }) => state },
  { title: 'CLOUD', cell: ({ cloud }) => cloud },
  { title: 'SITE', cell: ({ site }) => site },
  { title: 'FLAVOR', cell: ({ flavor, service }) => (service === '' ? flavor : `${flavor}, ${service}`) },
  { title: 'ISOLATION', cell: ({ isolation }) => isolation.split(' ', 1)[0] || '-' },
  { title: 'CORES', right: true, cell: ({ cores }) => cores },
  { title: 'LEASES', right: true, cell: ({ leases }) => leases },
  { title: 'WANTED', cell: ({ intendedMs }) => timeText(intendedMs) },
  { title: 'BOOT', right: true, cell: ({ intendedMs, activatedMs }) => spanText(intendedMs, activatedMs) },
  { title: 'LIFE', right: true, cell: ({ intendedMs, endedMs }) => spanText(intendedMs, endedMs) },
  { title: 'REASON', cell: ({ reason }) => reason },
]

export async function vms(
  { terminal }: Setting,
  client: PilotageClient,
  { ended, limit, json }: CommonOptions & { readonly ended?: boolean; readonly limit?: number },
): Promise<ExitCode> {
  const answer = await client.vms({ ended, limit })
  await terminal.write(json ? answer.map(jsonLine).join('') : table(vmColumns, answer))
  return 0
}

export async function clouds({ terminal }: Setting, client: PilotageClient, { json }: CommonOptions): Promise<ExitCode> {
  const answer = await client.clouds()
  if (json) {
    await terminal.write(jsonLine(answer))
    return 0
  }
  const cloudTable = table(
    [
      { title: 'CLOUD', cell: ({ name }) => name },
      { title: 'KIND', cell: ({ kind }) => kind },
      { title: 'SITE', cell: ({ site }) => site },
      { title: 'VMS', right: true, cell: (cloud) => `${cloud.vms}/${cloud.maxVms}` },
      { title: 'CORES', right: true, cell: (cloud) => `${cloud.cores}/${cloud.maxCores}` },
      { title: 'BREAKER', cell: ({ breaker }) => breaker },
      { title: 'LISTED', cell: ({ listedMs }) => timeText(listedMs) },
    ],
    answer.clouds,
  )
  const planTable = table(
    [
      { title: 'PLANNED', cell: ({ atMs }) => timeText(atMs) },
      { title: 'ACTION', cell: ({ action }) => action },
      { title: 'SUBJECT', cell: ({ subject }) => subject },
      { title: 'COUNT', right: true, cell: ({ count }) => count },
      { title: 'REASON', most: 100, cell: ({ reason }) => reason },
    ],
    answer.plan,
  )
  await terminal.write(`${cloudTable}\n${planTable}`)
  return 0
}

export async function drainVm(
  { terminal }: Setting,
  client: PilotageClient,
  vmId: string,
  { reason, json }: CommonOptions & { readonly reason?: string },
): Promise<ExitCode> {
  const answer = await client.drainVm(vmId, reason)
  const why = answer.refusal === '' ? '' : `: ${answer.refusal}`
  await terminal.write(json ? jsonLine(answer) : `${vmId}: ${answer.state || 'unchanged'}${why}\n`)
  return answer.refusal === '' ? 0 : 1
}

export async function vmHistory(
  { terminal }: Setting,
  client: PilotageClient,
  vmId: string,
  { json }: CommonOptions,
): Promise<ExitCode> {
  return tellFacts(terminal, await client.vmHistory(vmId), json)
}

export type TokenOptions = CommonOptions & {
  readonly subject: string
  readonly vo: string
  readonly group: string
  readonly role: readonly string[]
  readonly hours?: number
  readonly out?: string
}

export async function createToken({ terminal }: Setting, client: PilotageClient, options: TokenOptions): Promise<ExitCode> {
  const { subject, vo, group, role, hours = 0, out, json } = options
  const lifetimeMs = Math.round(hours * 3_600_000)
  const answer = await client.createToken({ subject, vo, group, roles: [...role], lifetimeMs })
  if (out === undefined) {
    await terminal.write(json ? jsonLine(answer) : `${answer.token}\n`)
  } else {
    writeNewSecret(out, answer.token)
    if (json) await terminal.write(jsonLine({ file: out, expiresMs: answer.expiresMs }))
  }
  terminal.say(
    `a token for ${subject} of ${vo}, good until ${timeText(answer.expiresMs)} UTC${out === undefined ? '' : `, in ${out}`}`,
  )
  return 0
}

/** Never into a file that is there: its mode and its readers are somebody else's choice. */
function writeNewSecret(path: string, secret: string): void {
  try {
    writeFileSync(path, `${secret}\n`, { flag: 'wx', mode: 0o600 })
  } catch (cause) {
    throw new PilotageError('conflict', `writing ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}

function coresText(cores: { min: number; max: number } | undefined): string {
  if (!cores) return '-'
  return cores.max > cores.min ? `${cores.min}-${cores.max}` : String(cores.min)
}
