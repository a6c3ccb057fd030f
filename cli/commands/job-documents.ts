/**
 * `pilotage job spec`, `check`, `convert` and `schema`: documents that describe jobs, in YAML, JSON and JDL.
 *
 * All but `spec` work without a service: what only the service knows (which sites there are) is not asked.
 */

import { type Command, Option } from 'commander'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import type { JobSpec } from '../../core/model/job.ts'
import { writeJob } from '../../core/language/document.ts'
import { counted } from '../../core/kernel/text.ts'
import { type Choose, withoutService, withService } from '../action.ts'
import { jobArgument } from '../arguments.ts'
import { jobFiles, readDocument, sayNotes } from '../job-files.ts'
import { jsonLine, jsonLines } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

const formats = ['yaml', 'json', 'jdl'] as const
type Format = (typeof formats)[number]

type CheckOptions = CommonOptions & { readonly acceptDropped?: boolean }
type ConvertOptions = CheckOptions & { readonly to: Format }

export function addJobDocumentCommands(program: Command, choose: Choose): void {
  const job = program.command('job').description('read, check and convert documents of jobs')
  job
    .command('spec')
    .addArgument(jobArgument())
    .description('print what was submitted as a document that submit takes: YAML, or JSON with --json')
    .action(withService(choose, spec))
  job
    .command('check <files...>')
    .description('check documents without submitting them, and print the jobs that they become')
    .option('--accept-dropped', 'check JDL without the attributes that cannot be honoured')
    .action(withoutService(choose, check))
  job
    .command('convert <files...>')
    .description('print the jobs of documents in another format')
    .addOption(new Option('--to <format>', 'format to print').choices(formats).makeOptionMandatory())
    .option('--accept-dropped', 'convert JDL without the attributes that cannot be honoured')
    .action(withoutService(choose, convert))
  job
    .command('schema')
    .description('print the JSON Schema of YAML and JSON documents, for editors')
    .action(withoutService(choose, schema))
}

/** Either form is a document that `submit` takes. */
async function spec(
  { terminal }: Setting,
  client: PilotageClient,
  { json }: CommonOptions,
  jobId: number,
): Promise<ExitCode> {
  const submitted = await client.spec(jobId)
  const { jobDocument } = await import('../../client/job-document.ts')
  await terminal.write(json ? jsonLine(writeJob(submitted)) : jobDocument(submitted))
  return 0
}

async function check(setting: Setting, options: CheckOptions, files: readonly string[]): Promise<ExitCode> {
  const { terminal } = setting
  const { jobDocument } = await import('../../client/job-document.ts')
  const specs = await describedJobs(setting, options, files)
  await terminal.write(options.json ? jsonLines(specs.map(writeJob)) : specs.map((one) => jobDocument(one)).join('---\n'))
  terminal.say(`${counted(specs.length, 'job')}, nothing submitted`)
  return 0
}

async function convert(setting: Setting, options: ConvertOptions, files: readonly string[]): Promise<ExitCode> {
  const specs = await describedJobs(setting, options, files)
  await setting.terminal.write(await documentText(specs, options.to))
  return 0
}

async function schema({ terminal }: Setting): Promise<ExitCode> {
  const { jobSchema } = await import('../../core/language/schema.ts')
  await terminal.write(`${JSON.stringify(jobSchema(), undefined, 2)}\n`)
  return 0
}

/** The jobs of all files, with the defaults of every field that was not given. */
async function describedJobs(
  setting: Setting,
  options: CheckOptions,
  files: readonly string[],
): Promise<readonly JobSpec[]> {
  const { specsOf } = await import('../../client/job-document.ts')
  const specs: JobSpec[] = []
  for (const file of jobFiles(setting, files)) {
    const { jobs, notes } = await readDocument(file, options)
    sayNotes(setting.terminal, file, notes)
    specs.push(...specsOf(jobs))
  }
  return specs
}

/** One document with all of them. */
async function documentText(specs: readonly JobSpec[], format: Format): Promise<string> {
  switch (format) {
    case 'yaml':
      return (await import('../../client/job-document.ts')).jobDocument(...specs)
    case 'json':
      return `${JSON.stringify(specs.map(writeJob), undefined, 2)}\n`
    case 'jdl': {
      const { printJdl } = await import('../../core/language/jdl/print.ts')
      return specs.map(printJdl).join('')
    }
  }
}
