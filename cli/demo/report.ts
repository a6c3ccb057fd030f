/**
 * The demo's report and its verdict: what ended how, how long it waited, which VMs there were, and whether all of it is
 * what the demo promises. Pure.
 */

import { visibleText } from '../../core/kernel/text.ts'
import { durationText } from '../../core/kernel/quantities.ts'
import type { Job } from '../../client/jobs.ts'
import { vmColumns } from '../commands/cluster.ts'
import { explainText } from '../commands/inspect.ts'
import { table } from '../output/table.ts'
import { percentile } from '../replay/report.ts'
import { primesBelow } from './jobs.ts'
import type { DemoOutcome } from './run.ts'

type Row = { readonly vo: string; readonly state: string; readonly jobs: readonly Job[] }

export function demoReport(outcome: DemoOutcome, isTerminal: boolean): string {
  const { jobs, failing, killed, killMs, impossible, explanation, primes, steps, vms } = outcome
  return [
    'Jobs\n',
    table(
      [
        { title: 'VO', cell: ({ vo }) => vo },
        { title: 'STATE', cell: ({ state }) => state },
        { title: 'JOBS', right: true, cell: (row) => row.jobs.length },
        { title: 'WAIT p50', right: true, cell: (row) => waitText(row, 0.5) },
        { title: 'WAIT p95', right: true, cell: (row) => waitText(row, 0.95) },
        {
          title: 'CPU',
          right: true,
          cell: (row) => durationText(row.jobs.reduce((sum, job) => sum + (job.result?.cpuMs ?? 0), 0)),
        },
      ],
      rows(jobs),
    ),
    '\nThree jobs that ended otherwise\n',
    ending('failed', failing),
    ending(`killed while running (stopped in ${durationText(killMs)})`, killed),
    ending('impossible', impossible),
    explainText({ ...explanation, places: explanation.places.slice(0, 2) })
      .replace(/^/gm, '    ')
      .trimEnd(),
    `\n\nOne of the answers: ${visibleText(primes)} below ${primesBelow.limit}\n`,
    '\nWhat users do\n',
    ...steps.map(({ what, seen }) => `  ${what}: ${visibleText(seen)}\n`),
    '\nVMs\n',
    table(
      vmColumns.filter(({ title }) => !['CLOUD', 'SITE', 'LEASES'].includes(title)),
      [...vms].sort((a, b) => a.intendedMs - b.intendedMs),
      isTerminal,
    ),
  ].join('')
}

/** What is not as promised; empty if all is well. */
export function shortfalls(outcome: DemoOutcome): readonly string[] {
  const { jobs, submitted, failing, killed, impossible, warnings, explanation, primes, steps, vms, vmsGone } = outcome
  const done = jobs.filter(({ state }) => state === 'Done').length
  const promised: readonly (readonly [boolean, string])[] = [
    [submitted >= 200 && jobs.length === submitted, `${jobs.length} of ${submitted} jobs are found, of at least 200`],
    [done === submitted - 3, `${done} of ${submitted - 3} computations are Done`],
    [failing?.state === 'Failed' && failing.result?.exitCode === 3, `the failing job is ${failing?.state ?? 'not found'}`],
    [killed?.state === 'Killed' && (killed.result?.wallMs ?? 0) > 0, `the long job is ${killed?.state ?? 'not found'}`],
    [
      impossible?.state === 'Killed' && impossible.attempt === 0,
      `the impossible job is ${impossible?.state ?? 'not found'}`,
    ],
    [warnings.some(({ code }) => code === 'no-offering'), 'no warning about the impossible job'],
    [explanation.places.every(({ fits }) => !fits) && explanation.summary !== '', 'the impossible job is not explained'],
    [primes === `${primesBelow.count} primes`, `the primes are wrong: ${primes}`],
    ...steps.map(({ what, seen, isRight }) => [isRight, `${what}: ${seen}`] as const),
    [vmsGone && vms.length > 0, `${vms.filter(({ endedMs }) => endedMs === 0).length} VMs are not gone`],
  ]
  return promised.filter(([holds]) => !holds).map(([, text]) => text)
}

function rows(jobs: readonly Job[]): readonly Row[] {
  const grouped = Map.groupBy(jobs, ({ vo, state }) => `${vo} ${state}`)
  return [...grouped.values()]
    .map((same) => ({ vo: same[0]?.vo ?? '', state: same[0]?.state ?? '', jobs: same }))
    .sort((a, b) => a.vo.localeCompare(b.vo) || a.state.localeCompare(b.state))
}

function waitText({ jobs }: Row, share: number): string {
  const waits = jobs.flatMap(({ startedMs, submittedMs }) => (startedMs > 0 ? [startedMs - submittedMs] : []))
  return waits.length === 0
    ? '-'
    : durationText(
        percentile(
          waits.sort((a, b) => a - b),
          share,
        ),
      )
}

function ending(what: string, job: Job | undefined): string {
  return job
    ? `${visibleText(`  job ${job.jobId} (${job.name}), ${what}: ${job.state}, ${job.reason}`)}\n`
    : `  ${what}: not found\n`
}
