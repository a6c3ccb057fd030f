/**
 * `pilotage history`, `explain`, `output` and `peek`: what happened to a job, why it waits or runs where it does, what it
 * printed and prints.
 */

import type { Command } from 'commander'
import type { Fact, JobExplanation } from '../../client/jobs.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { ruleText } from '../../core/language/rule.ts'
import { visibleText } from '../../core/kernel/text.ts'
import { type Choose, withService } from '../action.ts'
import { jobArgument, numberBetween } from '../arguments.ts'
import { jsonLine, jsonLines, timeText } from '../output/table.ts'
import { outputWriter } from '../output/output-writer.ts'
import type { Terminal } from '../output/terminal.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'
import { type FilesOptions, isAboutFiles, outputFiles } from './output-files.ts'

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
    .description(
      'print the stdout of a job, or write the files that it left; on a terminal, control characters are spelled out',
    )
    .option('--stderr', 'print stderr instead of stdout')
    .option('--attempt <number>', 'output of this attempt (default: the last)', numberBetween(1, maxAttempt))
    .option('--raw', 'print every byte as it is, even if the terminal acts on it')
    .option('--list', 'list the output files of the job')
    .option('--name <paths...>', 'write these output files below the directory')
    .option('--all', 'write all output files, stdout and stderr below the directory')
    .option('--dir <directory>', 'directory for files (default: the number of the job)')
    .action(withService(choose, output))
  program
    .command('peek')
    .addArgument(jobArgument())
    .description('print what a job writes while it runs, to its end; waits for a job that has not started')
    .option('--stderr', 'print stderr instead of stdout')
    .option('--attempt <number>', 'begin with this attempt (default: the last)', numberBetween(1, maxAttempt))
    .option('--offset <bytes>', 'begin behind this number of bytes', numberBetween(0, maxOffset), 0)
    .option('--now', 'print only what there is now')
    .option('--raw', 'print every byte as it is, even if the terminal acts on it')
    .action(withService(choose, peek))
}

const maxOffset = 1_000_000_000

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

type OutputOptions = FilesOptions & { readonly stderr?: boolean; readonly raw?: boolean }

/** Byte by byte as the payload wrote it; on a terminal with its control characters spelled out unless `raw`. */
async function output(setting: Setting, client: PilotageClient, options: OutputOptions, jobId: number): Promise<ExitCode> {
  if (isAboutFiles(options)) return outputFiles(setting, client, options, jobId)
  const { stderr, attempt, raw } = options
  const write = outputWriter(setting.terminal, { raw })
  for await (const piece of client.output(jobId, { name: stderr ? 'stderr' : 'stdout', attempt })) await write.next(piece)
  await write.end()
  return 0
}

type PeekOptions = OutputOptions & { readonly offset: number; readonly now?: boolean }

/** As `output`. Where another attempt begins, standard error says so. */
async function peek(
  { terminal }: Setting,
  client: PilotageClient,
  { stderr, attempt, raw, offset, now }: PeekOptions,
  jobId: number,
): Promise<ExitCode> {
  const write = outputWriter(terminal, { raw })
  let current = 0
  for await (const piece of client.peek(jobId, { name: stderr ? 'stderr' : 'stdout', attempt, offset, follow: !now })) {
    if (current !== 0 && piece.attempt !== current) terminal.say(`job ${jobId}: attempt ${piece.attempt}`)
    current = piece.attempt
    if (piece.data.length > 0) await write.next(piece.data)
  }
  await write.end()
  return 0
}
