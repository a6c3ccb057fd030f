/**
 * Brings a job's input files into the payload's directory, before the payload begins.
 *
 * They are written by an errand, with the payload's own authority, so they belong to the payload. Each is checked by its
 * digest on the way; a payload is never started with a file that is not the one that was submitted. The service is asked
 * again for some time, then the attempt ends as one that was not started.
 */

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { sleep } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { AttemptRef } from '../../core/kernel/ids.ts'
import type { InputFile } from '../../core/model/sandbox-file.ts'
import type { Uplink } from '../kit/uplink.ts'
import { type Errand, readerOf, type Reader, startErrand } from './errand.ts'
import { finalErrors, maxLineLength, type MoveOptions, retryDelays } from './moving.ts'

export type FetchOptions = MoveOptions & { readonly files: readonly InputFile[] }

/** `fault`: whether this machine could not write them, or the service did not give them. */
export type Fetched =
  | { readonly ok: true }
  | { readonly ok: false; readonly why: string; readonly fault: 'machine' | 'service' }

/** Without a file arriving for this time another machine may do better. */
const giveUpMs = 120_000

/** Reads a size, a mode and a path, each on a line, then the content; says `ok` for each file. */
const writeScript = [
  'umask 022',
  'while IFS= read -r bytes && IFS= read -r mode && IFS= read -r path; do',
  '  mkdir -p -- "$(dirname "./$path")" || exit 3',
  '  head -c "$bytes" >"./$path" || exit 3',
  '  if [ "$mode" = x ]; then chmod u+x,g+x,o+x "./$path" || exit 3; fi',
  '  echo ok',
  'done',
].join('\n')

/** Never rejects. With an aborted signal it ends soon, and says anything. */
export async function fetchInputs(options: FetchOptions): Promise<Fetched> {
  const { files, clock, random, signal } = options
  const delays = retryDelays(random)
  let left = files
  let sinceMs = clock.monotonicMs()
  for (;;) {
    const { written, failed } = await tryOnce(options, left)
    if (!failed) return { ok: true }
    if (signal.aborted) return { ok: false, why: 'stopped', fault: 'service' }
    if (written > 0) {
      sinceMs = clock.monotonicMs()
      delays.reset()
    }
    left = left.slice(written)
    const why = `input file ${left[0]?.path ?? ''} could not be fetched: ${failed.why}`
    if (failed.isFinal || clock.monotonicMs() - sinceMs > giveUpMs) return { ok: false, why, fault: failed.fault }
    await sleep(clock, delays.next(), signal)
  }
}

type Failed = { readonly why: string; readonly fault: 'machine' | 'service'; readonly isFinal: boolean }

/** How many were written, and why the next one was not. */
async function tryOnce(
  { ref, confinement, dir, uplink, signal }: FetchOptions,
  files: readonly InputFile[],
): Promise<{ readonly written: number; readonly failed?: Failed }> {
  const now = uplink()
  if (!now) return { written: 0, failed: { why: 'there is no contact with the service', fault: 'service', isFinal: false } }
  let written = 0
  let errand: Errand | undefined
  const kill = (): void => errand?.kill()
  signal.addEventListener('abort', kill)
  try {
    errand = startErrand({ confinement, dir, script: writeScript, args: [] })
    const reader = readerOf(errand.output)
    for (const file of files) {
      await bring(now, ref, file, errand, reader, signal)
      written += 1
    }
    errand.input.end()
    await errand.over
    return { written }
  } catch (thrown) {
    kill()
    const { code, said } = errand ? await errand.over : { code: undefined, said: '' }
    if (thrown instanceof PilotageError)
      return { written, failed: { why: thrown.message, fault: 'service', isFinal: finalErrors.includes(thrown.code) } }
    const reason = said || (thrown instanceof Error ? thrown.message : String(thrown))
    const why = `it could not be written on this machine: ${reason}${code ? ` (exit code ${code})` : ''}`
    return { written, failed: { why, fault: 'machine', isFinal: true } }
  } finally {
    signal.removeEventListener('abort', kill)
  }
}

async function bring(
  uplink: Uplink,
  ref: AttemptRef,
  { path, digest, bytes, executable }: InputFile,
  { input }: Errand,
  reader: Reader,
  signal: AbortSignal,
): Promise<void> {
  const hash = createHash('sha256')
  let came = 0
  await written(input, Buffer.from(`${bytes}\n${executable ? 'x' : '-'}\n${path}\n`))
  for await (const piece of uplink.fetchInput(ref, path, signal)) {
    came += piece.length
    if (came > bytes) break
    hash.update(piece)
    await written(input, piece)
  }
  if (came < bytes) throw new PilotageError('unavailable', `${came} of ${bytes} bytes came`)
  if (came > bytes || hash.digest('hex') !== digest)
    throw new PilotageError('conflict', 'what the service sent is not the content that was submitted')
  const answer = await reader.line(maxLineLength)
  if (answer !== 'ok') throw new Error('it could not be written')
}

async function written(input: Errand['input'], data: Uint8Array): Promise<void> {
  if (input.destroyed || input.writableEnded) throw new Error('what writes it has ended')
  if (input.write(data)) return
  await Promise.race([
    once(input, 'drain'),
    once(input, 'close').then(() => Promise.reject(new Error('what writes it has ended'))),
  ])
}
