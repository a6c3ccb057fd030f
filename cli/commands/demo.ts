/**
 * `pilotage demo`: the whole of it on this machine, in a directory of its own, in about a minute.
 *
 * Starts a service, tells the story, prints the report, stops everything, and looks whether anything is left. Ends with 0
 * only where all of it was as promised.
 */

import { join } from 'node:path'
import { durationText } from '../../core/kernel/quantities.ts'
import { demoReport, shortfalls } from '../demo/report.ts'
import { runDemo } from '../demo/run.ts'
import { demoConfig } from '../demo/service-config.ts'
import { connectPilotage } from '../../client/pilotage-client.ts'
import { emptyOwnDirectory, withOwnService } from './own-service.ts'
import type { ExitCode, Setting } from './setting.ts'

export async function demo(setting: Setting, { data }: { readonly data?: string }): Promise<ExitCode> {
  const { terminal, clock } = setting
  const beginMs = clock.monotonicMs()
  const dataDir = emptyOwnDirectory(data ?? join(setting.workDir, 'pilotage-demo'))
  const { answer, left } = await withOwnService(setting, { dataDir, config: demoConfig }, async (service) => {
    terminal.say(`service at ${service.server}, operator's page at ${service.dashboardUrl} while this runs`)
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
  const short = [...shortfalls(outcome), ...left.map(({ pid, command }) => `process ${pid} is left: ${command}`)]
  await terminal.write(`\n${demoReport(outcome)}\n`)
  await terminal.write(`The operator's page was at ${dashboardUrl}; everything else is in ${dataDir}\n`)
  for (const text of short) terminal.say(`not as promised: ${text}`)
  const took = durationText(Math.round((clock.monotonicMs() - beginMs) / 1000) * 1000)
  await terminal.write(
    `demo: jobs=${outcome.jobs.length} vms=${outcome.vms.length} left=${left.length} isolation=${isolation.split(' ', 1)[0]} ${short.length === 0 ? 'ok' : 'NOT OK'} in ${took}\n`,
  )
  return short.length === 0 ? 0 : 1
}
