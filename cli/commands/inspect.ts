/**
 * `pilotage history`, `explain` and `output`: what happened to a job, why it waits or runs where it does, what it printed.
 */

import type { Command } from 'commander'
import type { Fact, JobExplanation } from '../../client/jobs.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { ruleText } from '../../core/language/rules.ts'
import { outputForTerminal, visibleText } from '../../core/kernel/text.ts'
import { type Choose, withService } from '../action.ts'
import { jobArgument, numberBetween } from '../arguments.ts'
import { jsonLine, jsonLines, timeText } from '../output/table.ts'
import type { Terminal } from '../output/terminal.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

const maxAttempt = 1_000_000

export function addInspectCommands(program: Command, choose: Choose): void {
  program
    .command('history')
    .addArgument(jobArgument())
    .description('print what happened to a job, oldest first')
    .action(withService(choose, history))
  program
    .command('explain')
    .addArgument(jobArgument())
    .description('explain rule by rule why a job waits, or why it runs where it does')
    .action(withService(choose, explain))
  program
    .command('output')
    .addArgument(jobArgument())
    .description('print the stdout of a job; on a terminal, control characters are spelled out')
    .option('--stderr', 'print stderr instead of stdout')
    .option('--attempt <number>', 'output of this attempt (default: the last)', numberBetween(1, maxAttempt))
    .option('--raw', 'print every byte as it is, even if the terminal acts on it')
    .action(withService(choose, output))
}

async function history(
  { terminal }: Setting,
  client: PilotageClient,
  { json }: CommonOptions,
  jobId: number,
): Promise<ExitCode> {
  return writeFacts(terminal, await client.history(jobId), json)
}

/** One line per fact. */
export async function writeFacts(terminal: Terminal, facts: readonly Fact[], json: boolean | undefined): Promise<ExitCode> {
  const text = facts.map((fact) => `${timeText(fact.atMs)}  ${visibleText(fact.text || fact.kind)}\n`).join('')
  await terminal.write(json ? jsonLines(facts) : text)
  return 0
}

async function explain(
  { terminal }: Setting,
  client: PilotageClient,
  { json }: CommonOptions,
  jobId: number,
): Promise<ExitCode> {
  const answer = await client.explain(jobId)
  await terminal.write(json ? jsonLine(answer) : explainText(answer))
  return 0
}

export function explainText({ summary, places }: JobExplanation): string {
  const text = [visibleText(summary)]
  for (const { place, fits, rules, note } of places) {
    text.push(`  ${visibleText(place)}: ${fits ? 'fits' : 'does not fit'}${note === '' ? '' : ` (${visibleText(note)})`}`)
    for (const rule of rules) text.push(visibleText(`    ${rule.holds ? 'yes' : 'NO '}  ${ruleText(rule)}`))
  }
  return `${text.join('\n')}\n`
}

type OutputOptions = CommonOptions & { readonly stderr?: boolean; readonly attempt?: number; readonly raw?: boolean }

/** Byte by byte as the payload wrote it; on a terminal with its control characters spelled out unless `raw`. */
async function output(
  { terminal }: Setting,
  client: PilotageClient,
  { stderr, attempt, raw }: OutputOptions,
  jobId: number,
): Promise<ExitCode> {
  const pieces = client.output(jobId, { name: stderr ? 'stderr' : 'stdout', attempt })
  if (raw || !terminal.isTerminal) {
    for await (const piece of pieces) await terminal.write(piece)
    return 0
  }
  const shown = outputForTerminal()
  // As bytes: what is left in it is meant for the terminal, and a joined character must stay whole.
  for await (const piece of pieces) await terminal.write(Buffer.from(shown.next(piece)))
  await terminal.write(Buffer.from(shown.end()))
  return 0
}
