/**
 * Local files that jobs name, on their way to the service: found, read for their digests, put where they are missing, and
 * written into the jobs as what they are there.
 *
 * What a document names lies below one directory; no link leads out of it, since links are refused wherever they stand. A
 * document that was written by another person can name no file that lies elsewhere.
 */

import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { lstat, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { PilotageError, shown, type Violation } from '../core/kernel/errors.ts'
import { outputChunkBytes } from '../core/kernel/limits.ts'
import { sandboxLimits } from '../core/kernel/sandbox-limits.ts'
import { bytesText } from '../core/kernel/quantities.ts'
import { wrongFields } from '../core/kernel/violations.ts'
import { clashingPaths, type InputFile, sandboxPathForm, sandboxPathProblem } from '../core/model/sandbox-file.ts'
import type { JobSpec } from '../proto/gen/pilotage/v1/job.ts'
import type { LocalInput, NewJob } from './new-job.ts'
import type { SandboxCalls } from './sandbox.ts'

/** `toSend`: what is known to be missing so far; `sent`: of it. Bytes. */
export type PutProgress = (sent: number, toSend: number) => void

type Uploads = Pick<SandboxCalls, 'missingFiles' | 'putFile'>

type Found = InputFile & { readonly local: string }

export type InputPutter = {
  /** The jobs with their files put. Files that several jobs name are read and sent once. */
  put(jobs: readonly NewJob[], directory: string): Promise<readonly JobSpec[]>
}

/** Throws `invalid-argument` with every file that cannot be sent; nothing is sent then. */
export function inputPutter(client: Uploads, onProgress: PutProgress = () => {}): InputPutter {
  /** By the local name: of one run of the program. */
  const known = new Map<string, readonly Found[]>()
  const put = new Set<string>()
  let [sent, toSend] = [0, 0]

  async function found(input: LocalInput, directory: string, path: string, wrong: Violation[]): Promise<readonly Found[]> {
    const key = JSON.stringify([directory, input])
    const before = known.get(key)
    if (before) return before
    const files = await filesOf(input, directory, path, wrong)
    known.set(key, files)
    return files
  }

  async function send(files: readonly Found[]): Promise<void> {
    const fresh = new Map(files.filter(({ digest }) => !put.has(digest)).map((file) => [file.digest, file]))
    if (fresh.size === 0) return
    const missing = await client.missingFiles([...fresh.keys()])
    toSend += missing.reduce((sum, digest) => sum + (fresh.get(digest)?.bytes ?? 0), 0)
    for (const digest of missing) {
      const file = fresh.get(digest)
      if (!file) continue
      const begin = sent
      await client.putFile(
        file,
        () => {
          // A second try begins anew.
          sent = begin
          return readFile(file.local)
        },
        (bytes) => {
          sent += bytes
          onProgress(sent, toSend)
        },
      )
      sent = begin + file.bytes
      onProgress(sent, toSend)
    }
    for (const digest of fresh.keys()) put.add(digest)
  }

  return {
    async put(jobs, directory) {
      const wrong: Violation[] = []
      const made: JobSpec[] = []
      const all: Found[] = []
      for (const [index, { localInputs = [], ...job }] of jobs.entries()) {
        const files: Found[] = []
        for (const input of localInputs) files.push(...(await found(input, directory, `jobs[${index}].inputFiles`, wrong)))
        checkJob([...job.inputFiles, ...files], `jobs[${index}].inputFiles`, wrong)
        all.push(...files)
        made.push({ ...job, inputFiles: [...job.inputFiles, ...files.map(({ local: _, ...file }) => file)] })
      }
      if (wrong.length > 0) throw new PilotageError('invalid-argument', wrongFields(wrong), { violations: wrong })
      await send(all)
      return made
    },
  }
}

function checkJob(files: readonly InputFile[], path: string, wrong: Violation[]): void {
  const refuse = (value: string, rule: string, accepted: string): void => {
    wrong.push({ path, value, rule, accepted })
  }
  if (files.length > sandboxLimits.inputFiles)
    refuse(`${files.length} files`, 'too many', `at most ${sandboxLimits.inputFiles}`)
  const clash = clashingPaths(files.map((file) => file.path))
  if (clash) refuse(shown(clash.join(' and ')), 'cannot both be there', 'one file per path')
}

/** A file, or all files of a folder, by path. */
async function filesOf(
  { from, path: into, executable }: LocalInput,
  directory: string,
  path: string,
  wrong: Violation[],
): Promise<readonly Found[]> {
  const refuse = (value: string, rule: string, accepted: string): readonly Found[] => {
    wrong.push({ path, value: shown(value), rule, accepted })
    return []
  }
  const problem = sandboxPathProblem(from) ?? sandboxPathProblem(into)
  if (problem !== undefined) return refuse(from, problem, sandboxPathForm)
  const names = from.split('/')
  for (let at = 1; at < names.length; at += 1) {
    const above = await lstat(join(directory, ...names.slice(0, at))).catch(() => undefined)
    if (above && !above.isDirectory()) return refuse(from, 'a link or a file stands for a folder of it', 'a path of folders')
  }
  const files = await walk(join(directory, from), into, refuse)
  return executable ? files.map((file) => ({ ...file, executable })) : files
}

type RefuseFile = (value: string, rule: string, accepted: string) => readonly Found[]

async function walk(local: string, into: string, refuse: RefuseFile): Promise<readonly Found[]> {
  const stat = await lstat(local).catch(() => undefined)
  if (!stat) return refuse(local, 'not found', 'a file or a folder')
  if (stat.isDirectory()) {
    const files: Found[] = []
    for (const name of (await readdir(local)).sort()) {
      const problem = sandboxPathProblem(`${into}/${name}`)
      if (problem !== undefined) return refuse(`${into}/${name}`, problem, sandboxPathForm)
      files.push(...(await walk(join(local, name), `${into}/${name}`, refuse)))
      if (files.length > sandboxLimits.inputFiles)
        return refuse(local, 'too many files', `at most ${sandboxLimits.inputFiles} per job`)
    }
    return files
  }
  if (!stat.isFile()) return refuse(local, stat.isSymbolicLink() ? 'a link' : 'a special file', 'files and folders')
  if (stat.size > sandboxLimits.fileBytes)
    return refuse(local, `too large: ${bytesText(stat.size)}`, `at most ${bytesText(sandboxLimits.fileBytes)} per file`)
  const hash = createHash('sha256')
  let bytes = 0
  for await (const piece of readFile(local)) {
    hash.update(piece)
    bytes += piece.length
  }
  return [{ path: into, digest: hash.digest('hex'), bytes, executable: (stat.mode & 0o111) !== 0, local }]
}

async function* readFile(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw new PilotageError('not-found', `reading ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  })
  yield* file.createReadStream({ highWaterMark: outputChunkBytes }) as AsyncIterable<Uint8Array>
}
