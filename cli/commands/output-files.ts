/** `pilotage output --list`, `--name` and `--all`: the files that a job left, listed, or written below a directory. */

import { resolve } from 'node:path'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { PilotageError, shown } from '../../core/kernel/errors.ts'
import { bytesText } from '../../core/kernel/quantities.ts'
import { counted } from '../../core/kernel/text.ts'
import type { OutputFile } from '../../core/model/sandbox-file.ts'
import { startProgress } from '../output/progress.ts'
import { type Column, jsonLine, jsonLines, table } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

export type FilesOptions = CommonOptions & {
  readonly attempt?: number
  readonly list?: boolean
  readonly name?: readonly string[]
  readonly all?: boolean
  readonly dir?: string
}

const columns: readonly Column<OutputFile>[] = [
  { title: 'PATH', cell: ({ path }) => path },
  { title: 'SIZE', right: true, cell: ({ bytes }) => bytesText(bytes) },
  { title: 'EXECUTABLE', cell: ({ executable }) => (executable ? 'yes' : 'no') },
  { title: 'SHA256', cell: ({ digest }) => digest },
]

/** Whether the command is about files. */
export function isAboutFiles({ list, name, all, dir }: FilesOptions): boolean {
  return list === true || all === true || name !== undefined || dir !== undefined
}

export async function outputFiles(
  setting: Setting,
  client: PilotageClient,
  options: FilesOptions,
  jobId: number,
): Promise<ExitCode> {
  const { terminal } = setting
  const { attempt, files } = await client.outputFiles(jobId, options)
  if (options.list) {
    await terminal.write(options.json ? jsonLines(files) : table(columns, files, terminal.isTerminal))
    return 0
  }
  const isAll = options.all === true || options.name === undefined
  const directory = resolve(setting.workDir, options.dir ?? String(jobId))
  const wanted = isAll ? files : named(jobId, files, options.name ?? [])
  const written = await write(setting, client, { jobId, attempt, directory, files: wanted })
  if (isAll) written.push(...(await writeStreams(client, { jobId, attempt, directory, files })))
  if (options.json) await terminal.write(jsonLine({ jobId, attempt, directory, files: written }))
  else await terminal.write(`wrote ${counted(written.length, 'file')} to ${directory}\n`)
  return 0
}

function named(jobId: number, files: readonly OutputFile[], names: readonly string[]): readonly OutputFile[] {
  return names.map((name) => {
    const file = files.find(({ path }) => path === name)
    if (file) return file
    const known =
      files.length === 0
        ? 'it has none'
        : `it has ${files
            .slice(0, maxNamed)
            .map(({ path }) => path)
            .join(', ')}`
    throw new PilotageError('not-found', `job ${jobId} has no output file ${shown(name)}: ${known}; --list shows all`)
  })
}

const maxNamed = 10

type Work = {
  readonly jobId: number
  readonly attempt: number
  readonly directory: string
  readonly files: readonly OutputFile[]
}

async function write(
  { terminal, clock }: Setting,
  client: PilotageClient,
  { jobId, attempt, directory, files }: Work,
): Promise<string[]> {
  const { writeReceived } = await import('../../client/received-files.ts')
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0)
  const progress = startProgress(terminal, clock, { doing: 'fetching files', total, unit: 'bytes' })
  async function* followed(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of pieces) {
      progress.advanced(piece.length)
      yield piece
    }
  }
  const written: string[] = []
  try {
    for (const file of files) {
      await writeReceived(directory, file, followed(client.outputFile(jobId, file.path, { attempt })))
      written.push(file.path)
    }
  } finally {
    progress.end()
  }
  return written
}

/** Beside the files, unless one of them has the name. An output that is not kept is left out. */
async function writeStreams(client: PilotageClient, { jobId, attempt, directory, files }: Work): Promise<string[]> {
  const { writeReceived } = await import('../../client/received-files.ts')
  const written: string[] = []
  for (const name of ['stdout', 'stderr'] as const) {
    if (files.some(({ path }) => path === name || path.startsWith(`${name}/`))) continue
    try {
      await writeReceived(directory, { path: name, executable: false }, client.output(jobId, { name, attempt }))
      written.push(name)
    } catch (error) {
      if (!(error instanceof PilotageError && error.code === 'not-found')) throw error
    }
  }
  return written
}
