/**
 * `pilotage replay`: a recorded trace becomes load, and the account of it a report.
 *
 * With --server it uses that service; else it starts one of its own in a temporary directory, waits until its idle VMs are
 * gone, and removes it. The exit code is 0 if every job is accounted for exactly once.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { durationText } from '../../core/kernel/quantities.ts'
import { type Choose, withoutService } from '../action.ts'
import { jobLimits } from '../../core/kernel/limits.ts'
import { numberBetween } from '../arguments.ts'
import { jsonLine } from '../output/table.ts'
import { processesIn, untilNoVms, withOwnService } from '../own-service.ts'
import type { ReplayPlan } from '../replay/plan.ts'
import { replayConfig } from '../replay/service-config.ts'
import type { Trace } from '../replay/swf.ts'
import { withClient } from '../connection.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

const maxTraceJobs = 10_000_000

export function addReplayCommand(program: Command, choose: Choose): void {
  program
    .command('replay <trace>')
    .description('submit a Standard Workload Format trace (.swf or .swf.gz) as jobs, with its time compressed')
    .option('--jobs <count>', 'number of jobs: the first ones that ran', numberBetween(1, maxTraceJobs), 1000)
    .option('--minutes <minutes>', 'duration of the replay', numberBetween(0.05, 10_000, false), 2)
    .option('--factor <factor>', 'divide time by this factor, instead of --minutes', numberBetween(1, 1_000_000_000, false))
    .option('--burn', 'payloads use a core instead of sleeping')
    .addHelpText('after', '\nWithout --server it starts its own service in a temporary directory.')
    .action(withoutService(choose, replay))
}

type ReplayCommandOptions = CommonOptions & {
  readonly jobs: number
  readonly minutes: number
  readonly factor?: number
  readonly burn?: boolean
}

/** Idle VMs of our own service stop after some seconds; this is for a slow machine. */
const vmsGoneMs = 90_000

async function replay(setting: Setting, options: ReplayCommandOptions, file: string): Promise<ExitCode> {
  const [{ planReplay }, { readTrace }] = await Promise.all([import('../replay/plan.ts'), import('../replay/swf.ts')])
  const own = (options.server ?? options.context ?? setting.environment.PILOTAGE_SERVER) === undefined
  const trace = await readTrace(file, options.jobs, jobLimits.cores)
  const { minutes, factor, burn = false } = options
  const plan = planReplay(trace.jobs, { minutes, factor, burn, run: `swf-${setting.random.letters(6)}` })
  setting.terminal.say(planText(trace, plan))
  if (plan.jobs.length === 0) {
    setting.terminal.say('the trace contains no job to replay')
    return 1
  }
  if (!own) return withClient(setting, options, (admin) => replayOn(setting, admin, plan, options))

  const { connectPilotage } = await import('../../client/pilotage-client.ts')
  const config = replayConfig(plan.jobs.reduce((widest, { cores }) => Math.max(widest, cores), 1))
  const dataDir = mkdtempSync(join(tmpdir(), 'pilotage-replay-'))
  try {
    const { answer, left } = await withOwnService(setting, { dataDir, config }, async (service) => {
      const admin = connectPilotage({ ...setting, server: service.server, token: service.adminToken })
      try {
        return await replayOn(setting, admin, plan, options, async () => {
          await untilNoVms(setting, admin, vmsGoneMs)
        })
      } finally {
        admin.close()
      }
    })
    for (const { pid, command } of left) setting.terminal.say(`process ${pid} still runs in ${dataDir}: ${command}`)
    return left.length > 0 ? 1 : answer
  } finally {
    // A directory that a process still uses is evidence.
    if (processesIn(dataDir).length === 0) rmSync(dataDir, { recursive: true, force: true })
  }
}

async function replayOn(
  setting: Setting,
  admin: PilotageClient,
  plan: ReplayPlan,
  { json }: ReplayCommandOptions,
  settle: () => Promise<void> = async () => {},
): Promise<ExitCode> {
  const { terminal } = setting
  const [{ runReplay }, { figures, isWhole, lastLine, reportText }] = await Promise.all([
    import('../replay/run.ts'),
    import('../replay/report.ts'),
  ])
  const outcome = await runReplay(setting, admin, plan, settle)
  const figure = figures(outcome)
  terminal.progress('')
  if (json) await terminal.write(jsonLine(figure))
  else await terminal.write(`\n${reportText(figure)}\n`)
  await terminal.write(`${lastLine(figure, plan.factor)}\n`)
  return isWhole(figure) ? 0 : 1
}

function planText({ linesRead, dropped }: Trace, plan: ReplayPlan): string {
  const { jobs, factor, vos, owners, capMs, cut, lastSubmitMs, coreMs } = plan
  const leftOut = [...dropped].map(([reason, count]) => `${reason} (${count})`).join(', ') || 'none'
  return [
    `${jobs.length} jobs of ${vos.length} VOs and ${owners} owners`,
    `of ${linesRead} lines left out: ${leftOut}`,
    `time divided by ${Math.round(factor)}: submitted within ${durationText(lastSubmitMs)}, ${durationText(coreMs)} of core time`,
    `run times above ${durationText(capMs * factor)} of the trace are cut to ${durationText(capMs)}: ${cut} jobs`,
  ].join('\n')
}
