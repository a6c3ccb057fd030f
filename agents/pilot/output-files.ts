/**
 * Brings the output files of a payload to the service, when nothing of the payload runs any more and before its end is
 * reported.
 *
 * An errand with the payload's own authority lists them and reads them: regular files alone, no links, within bounds of
 * number and size. What is not kept is said in the end's detail; it never keeps the end from being reported.
 */

import { createHash } from 'node:crypto'
import { sleep } from '../../core/kernel/clock.ts'
import { asPilotageError, type ErrorCode, shown } from '../../core/kernel/errors.ts'
import { payloadEntries } from '../../core/kernel/limits.ts'
import { sandboxLimits } from '../../core/kernel/sandbox-limits.ts'
import { bytesText } from '../../core/kernel/quantities.ts'
import { counted } from '../../core/kernel/text.ts'
import { isOutput } from '../../core/language/output-patterns.ts'
import { type OutputFile, sandboxPathProblem } from '../../core/model/sandbox-file.ts'
import { type Errand, readerOf, type Reader, startErrand } from './errand.ts'
import { finalErrors, maxLineLength, type MoveOptions, retryDelays } from './moving.ts'

export type CollectOptions = MoveOptions & { readonly patterns: readonly string[] }

type Found = { readonly path: string; readonly bytes: number; readonly executable: boolean }

/** Repeating these cannot help. */
const final: readonly ErrorCode[] = [...finalErrors, 'too-large', 'quota-exceeded']
const listMs = 120_000
/** Reasons in a detail, each of at most 200 characters: a report takes 8 KiB. */
const maxNotes = 10
const noteLength = 200
const zero = 0

/** GNU find, as what measures a payload. It follows no link, and stays on the file system of the directory. */
const listScript = 'find . -xdev -mindepth 1 -maxdepth "$1" -type f -printf "%s %m %P\\\\0" 2>/dev/null; exit 0'

/** Answers a path on a line by a size on a line and the content, or by `none`. */
const readScript = [
  'while IFS= read -r path; do',
  '  if [ -f "./$path" ] && [ ! -L "./$path" ] && [ -r "./$path" ]; then',
  '    bytes=$(stat -c %s "./$path") && echo "$bytes" && head -c "$bytes" "./$path" || exit 3',
  '  else echo none; fi',
  'done',
].join('\n')

/** What could not be kept, and why; empty: all was. Never rejects. */
export async function keepOutputFiles(options: CollectOptions): Promise<string> {
  const notes: string[] = []
  try {
    const found = await listed(options, notes)
    for (const file of chosen(found, options.patterns, notes)) {
      if (options.signal.aborted) break
      const why = await keepOne(options, file)
      if (why !== '') notes.push(`${file.path}: ${why}`)
    }
  } catch (thrown) {
    notes.push(`output files could not be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
  }
  return notesText(notes)
}

function notesText(notes: readonly string[]): string {
  if (notes.length === 0) return ''
  const said = notes.slice(0, maxNotes).map((note) => note.slice(0, noteLength))
  const more = notes.length > maxNotes ? [`and ${notes.length - maxNotes} more`] : []
  return `output files that were not kept: ${[...said, ...more].join('; ')}`
}

/** Those that some pattern names, as they come: the whole list may be long. */
async function listed(
  { confinement, dir, patterns, clock, signal }: CollectOptions,
  notes: string[],
): Promise<readonly Found[]> {
  const errand = startErrand({ confinement, dir, script: listScript, args: [String(sandboxLimits.depth)] })
  const timer = clock.after(listMs, () => errand.kill())
  const kill = (): void => errand.kill()
  signal.addEventListener('abort', kill)
  errand.input.end()
  const found: Found[] = []
  let [rest, entries, strange]: [Buffer, number, number] = [Buffer.alloc(0), 0, 0]
  try {
    for await (const data of errand.output as AsyncIterable<Buffer>) {
      rest = Buffer.concat([rest, data])
      for (let end = rest.indexOf(zero); end >= 0; end = rest.indexOf(zero)) {
        const file = foundIn(rest.subarray(0, end))
        rest = rest.subarray(end + 1)
        entries += 1
        if (!file) strange += 1
        else if (isOutput(patterns, file.path)) found.push(file)
      }
      if (entries > payloadEntries || found.length > payloadEntries) break
    }
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', kill)
    errand.kill()
  }
  const { code, said } = await errand.over
  if (code !== 0 && entries === 0) throw new Error(said || 'they could not be listed')
  if (strange > 0) notes.push(`${counted(strange, 'file')} with a name that a sandbox does not take`)
  return found
}

/** Undefined: its name is not text, or no path of a sandbox. */
function foundIn(entry: Buffer): Found | undefined {
  const [sizeEnd, modeEnd] = [entry.indexOf(' '), entry.indexOf(' ', entry.indexOf(' ') + 1)]
  const name = entry.subarray(modeEnd + 1)
  const path = name.toString('utf8')
  if (!Buffer.from(path, 'utf8').equals(name) || sandboxPathProblem(path) !== undefined) return undefined
  const mode = Number.parseInt(entry.toString('latin1', sizeEnd + 1, modeEnd), 8)
  return { path, bytes: Number(entry.toString('latin1', 0, sizeEnd)), executable: (mode & 0o100) !== 0 }
}

/** Within the limits, by path; what is beyond them, and each pattern without a file, gets a note. */
function chosen(found: readonly Found[], patterns: readonly string[], notes: string[]): readonly Found[] {
  const { outputFiles, fileBytes, jobBytes } = sandboxLimits
  const kept: Found[] = []
  let bytes = 0
  const sorted = [...found].sort((a, b) => (a.path < b.path ? -1 : 1))
  for (const [at, file] of sorted.entries()) {
    if (kept.length >= outputFiles) {
      notes.push(`${sorted.length - at} files beyond the limit of ${outputFiles}`)
      break
    }
    if (file.bytes > fileBytes)
      notes.push(`${file.path}: ${bytesText(file.bytes)}, the limit is ${bytesText(fileBytes)} per file`)
    else if (bytes + file.bytes > jobBytes) notes.push(`${file.path}: beyond ${bytesText(jobBytes)} in all`)
    else {
      bytes += file.bytes
      kept.push(file)
    }
  }
  for (const pattern of patterns) {
    if (!found.some(({ path }) => isOutput([pattern], path))) notes.push(`no file matches ${shown(pattern)}`)
  }
  return kept
}

/** Why it was not kept; empty: it was. */
async function keepOne(options: CollectOptions, found: Found): Promise<string> {
  const { clock, random, signal, uplink } = options
  const delays = retryDelays(random)
  const digest = await withFile(options, found, digestOf)
  if (digest === undefined) return 'it could not be read'
  const file: OutputFile = { ...found, digest }
  while (!signal.aborted) {
    const now = uplink()
    if (now) {
      try {
        const sent = await withFile(options, found, async (pieces) => {
          await now.putOutputFile(options.ref, file, pieces, signal)
          return true
        })
        return sent ? '' : 'it could not be read'
      } catch (thrown) {
        const error = asPilotageError(thrown, 'keeping an output file')
        if (final.includes(error.code)) return error.message
      }
    }
    await sleep(clock, delays.next(), signal)
  }
  return 'the pilot was stopped'
}

async function digestOf(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

/** Undefined: it is no file of this size that the payload can read. Throws what `use` throws. */
async function withFile<Answer>(
  { confinement, dir, signal }: CollectOptions,
  { path, bytes }: Found,
  use: (pieces: AsyncIterable<Uint8Array>) => Promise<Answer>,
): Promise<Answer | undefined> {
  const errand: Errand = startErrand({ confinement, dir, script: readScript, args: [] })
  const kill = (): void => errand.kill()
  signal.addEventListener('abort', kill)
  try {
    errand.input.end(`${path}\n`)
    const reader: Reader = readerOf(errand.output)
    if ((await reader.line(maxLineLength)) !== String(bytes)) return undefined
    return await use(reader.content(bytes))
  } finally {
    signal.removeEventListener('abort', kill)
    errand.kill()
    await errand.over
  }
}
