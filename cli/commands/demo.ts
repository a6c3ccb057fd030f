/**
 * `pilotage demo`: everything on this machine, in a directory of its own, in about a minute.
 *
 * Starts a service, runs the demo's jobs, prints the report, stops everything, and checks that no process is left. The exit
 * code is 0 only if all results are as promised.
 */

import { join } from 'node:path'
import type { Command } from 'commander'
import { durationText } from '../../core/kernel/quantities.ts'
import { type Choose, withoutService } from '../action.ts'
import { emptyOwnDirectory, withOwnService } from '../own-service.ts'
import type { ExitCode, Setting } from '../setting.ts'

export function addDemoCommand(program: Command, choose: Choose): void {
  program
    .command('demo')
    .description('run a demo with its own service on this machine, in about a minute')
    .option('--data <directory>', 'working directory, emptied at the start (default: ./pilotage-demo)')
    .configureHelp({ showGlobalOptions: false })
    .action(withoutService(choose, demo))
}

async function demo(setting: Setting, { data }: { readonly data?: string }): Promise<ExitCode> {
  const [{ demoConfig }, { runDemo }, { demoReport, shortfalls }, { connectPilotage }] = await Promise.all([
    import('../demo/service-config.ts'),
    import('../demo/run.ts'),
    import('../demo/report.ts'),
    import('../../client/pilotage-client.ts'),
  ])
  const { terminal, clock } = setting
  const beginMs = clock.monotonicMs()
  const dataDir = emptyOwnDirectory(data ?? join(setting.workDir, 'pilotage-demo'))
  const { answer, left } = await withOwnService(setting, { dataDir, config: demoConfig }, async (service) => {
    terminal.say(`service at ${service.server}, dashboard at ${service.dashboardUrl} while the demo runs`)
    terminal.say(`payloads are isolated by ${service.isolation ?? 'nothing'}`)
    const admin = connectPilotage({ ...setting, server: service.server, token: service.adminToken })
    try {
      const { dashboardUrl, isolation = 'nothing' } = service
      return { outcome: await runDemo(setting, admin), dashboardUrl, isolation }
    } finally {
      admin.close()
    }
  })
  terminal.progress('')
  const { outcome, dashboardUrl, isolation } = answer
  const short = [...shortfalls(outcome), ...left.map(({ pid, command }) => `process ${pid} still runs: ${command}`)]
  await terminal.write(`\n${demoReport(outcome, terminal.isTerminal)}\n`)
  await terminal.write(`The dashboard was at ${dashboardUrl}; logs, outputs and the store are in ${dataDir}\n`)
  for (const text of short) terminal.say(`not as promised: ${text}`)
  const took = durationText(Math.round((clock.monotonicMs() - beginMs) / 1000) * 1000)
  await terminal.write(
    `demo: jobs=${outcome.jobs.length} vms=${outcome.vms.length} left=${left.length} isolation=${isolation.split(' ', 1)[0]} ${short.length === 0 ? 'ok' : 'NOT OK'} in ${took}\n`,
  )
  return short.length === 0 ? 0 : 1
}
