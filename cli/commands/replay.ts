/**
 * `pilotage replay`: a recorded trace becomes load, and the account of it a report.
 *
 * With a server named it uses that one; else it starts a service of its own in a temporary directory, waits until its idle
 * VMs are gone, and removes it. The exit tells whether every job is accounted for exactly once.
 */

import { jsonLine } from './terminal.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { durationText } from '../../core/kernel/quantities.ts'
import { connectPilotage, type PilotageClient } from '../../client/pilotage-client.ts'
import { coresOf, planReplay, type ReplayPlan } from '../replay/plan.ts'
import { figures, isWhole, lastLine, reportText } from '../replay/report.ts'
import { runReplay } from '../replay/run.ts'
import { replayConfig, widestCores } from '../replay/service-config.ts'
import { readTrace, type Trace } from '../replay/swf.ts'
import { processesIn, untilNoVms, withOwnService } from './own-service.ts'
import { type CommonOptions, type ExitCode, type Setting, withClient } from './setting.ts'

export type ReplayCommandOptions = CommonOptions & {
  readonly jobs: number
  readonly minutes: number
  readonly factor?: number
  readonly burn?: boolean
}

/** Idle VMs of our own service stop after some seconds; this is for a slow machine. */
const vmsGoneMs = 90_000

export async function replay(setting: Setting, file: string, options: ReplayCommandOptions): Promise<ExitCode> {
  const own = (options.server ?? setting.environment.PILOTAGE_SERVER) === undefined
  const trace = await readTrace(file, options.jobs, (job) => !own || coresOf(job) <= widestCores)
  const { minutes, factor, burn = false } = options
  const plan = planReplay(trace.jobs, { minutes, factor, burn, run: `swf-${setting.random.letters(6)}` })
  setting.terminal.say(planText(trace, plan))
  if (plan.jobs.length === 0) {
    setting.terminal.say('the trace has no job to replay')
    return 1
  }
  if (!own) return withClient(setting, options, (admin) => replayOn(setting, admin, plan, options))

  const dataDir = mkdtempSync(join(tmpdir(), 'pilotage-replay-'))
  try {
    const { answer, left } = await withOwnService(setting, { dataDir, config: replayConfig }, async (service) => {
      const admin = connectPilotage({ ...setting, server: service.server, token: service.adminToken })
      try {
        return await replayOn(setting, admin, plan, options, async () => {
          await untilNoVms(setting, admin, vmsGoneMs)
        })
      } finally {
        admin.close()
      }
    })
    for (const { pid, command } of left) setting.terminal.say(`process ${pid} is still in ${dataDir}: ${command}`)
    return left.length > 0 ? 1 : answer
  } finally {
    // A directory that is still worked in is evidence.
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
  const outcome = await runReplay(setting, admin, plan, settle)
  const figure = figures(outcome)
  terminal.progress('')
  if (json) await terminal.write(jsonLine(figure))
  else await terminal.write(`\n${reportText(figure)}\n`)
  await terminal.write(`${lastLine(figure, plan.factor)}\n`)
  return isWhole(figure) ? 0 : 1
}

function planText({ linesRead, malformed, left }: Trace, plan: ReplayPlan): string {
  const { jobs, factor, vos, owners, capMs, cut, lastSubmitMs, coreMs } = plan
  const skipped = `${left} of ${linesRead} lines left out (no run time, or too wide), ${malformed} malformed`
  return [
    `${jobs.length} jobs of ${vos.length} VOs and ${owners} owners; ${skipped}`,
    `time divided by ${Math.round(factor)}: submitted within ${durationText(lastSubmitMs)}, ${durationText(coreMs)} of core time`,
    `run times above ${durationText(capMs * factor)} of the trace are cut to ${durationText(capMs)}: ${cut} jobs`,
  ].join('\n')
}
