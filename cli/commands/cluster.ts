/**
 * `pilotage cluster`: the state of the installation for operators: counts, task queues, VMs, clouds and the last plan.
 */

import type { Command } from 'commander'
import type {
  Breaker,
  Cloud,
  JobCount,
  MeasuredSize,
  PlanLine,
  Size,
  StuckVm,
  TaskQueue,
  Vm,
  VmCount,
} from '../../client/cluster.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { bytesText } from '../../core/kernel/quantities.ts'
import { type Choose, withService } from '../action.ts'
import { numberBetween } from '../arguments.ts'
import { quietOption, writeRows } from '../output/rows.ts'
import { type Column, jsonLine, spanText, stateTone, table, timeText } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

const maxRows = 1000
const defaultQueues = 100

export function addClusterCommands(program: Command, choose: Choose): void {
  const cluster = program.command('cluster').description('show the state of the installation')
  cluster.command('status').description('count jobs and VMs by state').action(withService(choose, clusterStatus))
  cluster
    .command('queues')
    .description('list task queues with what they wait for, most waiting jobs first')
    .option('--limit <count>', 'maximum number of task queues', numberBetween(1, maxRows), defaultQueues)
    .option(...quietOption)
    .action(withService(choose, queues))
  cluster
    .command('vms')
    .description('list virtual machines')
    .option('--ended', 'include VMs that have ended')
    .option('--limit <count>', 'maximum number of VMs', numberBetween(1, maxRows), maxRows)
    .option(...quietOption)
    .action(withService(choose, vms))
  cluster
    .command('clouds')
    .description('list clouds with their limits and breakers, and the last plan')
    .option(...quietOption)
    .action(withService(choose, clouds))
}

type Counted = { readonly state: string; readonly site: string; readonly count: number }

async function clusterStatus(
  { terminal, clock }: Setting,
  client: PilotageClient,
  { json }: CommonOptions,
): Promise<ExitCode> {
  const answer = await client.status()
  if (json) {
    await terminal.write(jsonLine(answer))
    return 0
  }
  const counted = <Of extends Counted>(title: string, of: (count: Of) => string): readonly Column<Of>[] => [
    { title: 'STATE', cell: ({ state }) => state },
    { title, cell: (count) => of(count) || '-' },
    { title: 'SITE', cell: ({ site }) => site || '-' },
    { title: 'COUNT', right: true, cell: ({ count }) => count },
  ]
  const nowMs = answer.serviceTimeMs || clock.nowMs()
  await terminal.write(`service ${answer.version}, up ${spanText(answer.startedMs, nowMs)}\n\nJobs\n`)
  await terminal.write(
    table(
      counted<JobCount>('VO', ({ vo }) => vo),
      answer.jobs,
      terminal.isTerminal,
    ),
  )
  await terminal.write(
    `\nVMs\n${table(
      counted<VmCount>('CLOUD', ({ cloud }) => cloud),
      answer.vms,
      terminal.isTerminal,
    )}`,
  )
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

async function queues(
  { terminal }: Setting,
  client: PilotageClient,
  { json, limit, quiet }: CommonOptions & { readonly limit?: number; readonly quiet?: boolean },
): Promise<ExitCode> {
  const answer = await client.queues(limit)
  if (quiet) {
    await writeRows(terminal, { quiet }, queueColumns, answer.queues, ({ taskQueue }) => taskQueue)
    return 0
  }
  const text = `${table(queueColumns, answer.queues, terminal.isTerminal)}${answer.queues.length} of ${answer.total}\n`
  await terminal.write(json ? jsonLine(answer) : text)
  return 0
}

/** With the promise, where its pilot found less. */
function sizeText(promised: number, found: number | undefined, show: (amount: number) => string): string {
  return found === undefined || found >= promised ? show(promised) : `${show(found)} of ${show(promised)}`
}

export const vmColumns: readonly Column<Vm>[] = [
  { title: 'VM', cell: ({ vmId }) => vmId },
  { title: 'STATE', cell: ({ state }) => state, tone: stateTone },
  { title: 'CLOUD', cell: ({ cloud }) => cloud },
  { title: 'SITE', cell: ({ site }) => site },
  { title: 'FLAVOR', cell: ({ flavor, service }) => (service === '' ? flavor : `${flavor}, ${service}`) },
  { title: 'ISOLATION', cell: ({ isolation }) => isolation.split(' ', 1)[0] || '-' },
  { title: 'CORES', right: true, cell: ({ cores, found }) => sizeText(cores, found?.cores, String) },
  { title: 'MEMORY', right: true, cell: ({ memoryBytes, found }) => sizeText(memoryBytes, found?.memoryBytes, bytesText) },
  { title: 'DISK', right: true, cell: ({ diskBytes, found }) => sizeText(diskBytes, found?.diskBytes, bytesText) },
  { title: 'LEASES', right: true, cell: ({ leases }) => leases },
  { title: 'OTHER THAN PROMISED', maxWidth: 60, cell: ({ differs }) => differs || '-' },
  { title: 'INTENDED', cell: ({ intendedMs }) => timeText(intendedMs) },
  { title: 'BOOT TIME', right: true, cell: ({ intendedMs, activatedMs }) => spanText(intendedMs, activatedMs) },
  { title: 'LIFETIME', right: true, cell: ({ intendedMs, endedMs }) => spanText(intendedMs, endedMs) },
  { title: 'REASON', cell: ({ reason, said }) => (said === '' ? reason : `${reason}; its cloud says: ${said}`) },
]

async function vms(
  { terminal }: Setting,
  client: PilotageClient,
  options: CommonOptions & { readonly ended?: boolean; readonly limit?: number; readonly quiet?: boolean },
): Promise<ExitCode> {
  const answer = await client.vms({ ended: options.ended, limit: options.limit })
  await writeRows(terminal, options, vmColumns, answer, ({ vmId }) => vmId)
  return 0
}

const cloudColumns: readonly Column<Cloud>[] = [
  { title: 'CLOUD', cell: ({ name }) => name },
  { title: 'KIND', cell: ({ kind }) => kind },
  { title: 'SITE', cell: ({ site }) => site },
  { title: 'VMS', right: true, cell: (cloud) => `${cloud.vms}/${cloud.maxVms}` },
  { title: 'CORES', right: true, cell: (cloud) => `${cloud.cores}/${cloud.maxCores}` },
  { title: 'BREAKER', cell: ({ breakers }) => breakersText(breakers) },
  { title: 'LESS THAN PROMISED', cell: ({ measured }) => measured.map(measuredText).join('; ') || '-' },
  { title: 'LISTED', cell: ({ listedMs }) => timeText(listedMs) },
]

const planColumns: readonly Column<PlanLine>[] = [
  { title: 'PLANNED', cell: ({ atMs }) => timeText(atMs) },
  { title: 'ACTION', cell: ({ action, cause }) => (cause === '' ? action : `${action}: ${cause}`) },
  { title: 'SUBJECT', cell: ({ subject }) => subject },
  { title: 'COUNT', right: true, cell: ({ count }) => count },
  { title: 'REASON', maxWidth: 100, cell: ({ reason }) => reason },
]

/** What an administrator of the cloud has to look at. */
const stuckColumns: readonly Column<StuckVm & { readonly cloud: string }>[] = [
  { title: 'CANNOT BE ENDED', cell: ({ vmId }) => vmId },
  { title: 'CLOUD', cell: ({ cloud }) => cloud },
  { title: 'THERE', cell: ({ ref }) => ref },
  { title: 'SINCE', cell: ({ sinceMs }) => timeText(sinceMs) },
  { title: 'REASON', maxWidth: 100, cell: ({ why }) => why },
]

async function clouds(
  { terminal }: Setting,
  client: PilotageClient,
  { json, quiet }: CommonOptions & { readonly quiet?: boolean },
): Promise<ExitCode> {
  const answer = await client.clouds()
  if (quiet) {
    await writeRows(terminal, { quiet }, cloudColumns, answer.clouds, ({ name }) => name)
    return 0
  }
  const { isTerminal } = terminal
  const stuck = answer.clouds.flatMap(({ name, stuck: vms }) => vms.map((vm) => ({ ...vm, cloud: name })))
  const attention = stuck.length === 0 ? '' : `\n${table(stuckColumns, stuck, isTerminal)}`
  const text = `${table(cloudColumns, answer.clouds, isTerminal)}\n${table(planColumns, answer.plan, isTerminal)}${attention}`
  await terminal.write(json ? jsonLine(answer) : text)
  return 0
}

function measuredText({ flavor, image, promised, found, differs }: MeasuredSize): string {
  const size = (of: Size | undefined): string =>
    of ? `${of.cores} cores, ${bytesText(of.memoryBytes)} memory, ${bytesText(of.diskBytes)} disk` : '-'
  const other = differs === '' ? '' : `; ${differs}`
  return `${flavor}/${image}: measured ${size(found)}; promised ${size(promised)}${other}`
}

/** closed, or each that is not: what, until when and why. */
function breakersText(breakers: readonly Breaker[]): string {
  if (breakers.length === 0) return 'closed'
  return breakers
    .map(({ kind, name, state, untilMs, why }) => {
      const until = state === 'open' ? `open until ${new Date(untilMs).toISOString()}` : 'half-open, one probe'
      return `${kind} ${name}: ${until} (${why})`
    })
    .join('; ')
}

function coresText(cores: { min: number; max: number } | undefined): string {
  if (!cores) return '-'
  return cores.max > cores.min ? `${cores.min}-${cores.max}` : String(cores.min)
}
