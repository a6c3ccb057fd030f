/**
 * How many elements a message has, counted on its bytes before it is decoded.
 *
 * A field of protobuf may take two bytes on the wire and hundreds in memory: a legal message of 16 MiB could become
 * gigabytes. So what is decoded has a bound in elements too. Whatever is no valid message is left to the decoder, which says
 * why.
 */

import { PilotageError } from '../../../core/kernel/errors.ts'
import { jobsPerCall, submissionElements } from '../../../core/kernel/limits.ts'

/** Fields of a message that are messages themselves, by their numbers. */
export type Shape = { readonly [field: number]: Shape }

const leaf: Shape = {}
/**
 * SubmitJobsRequest: jobs; of each the environment's entries, the requirements with cores, sites and clouds, and its
 * dependencies.
 */
export const submissionShape: Shape = { 1: { 4: leaf, 5: { 1: leaf, 6: leaf, 7: leaf }, 13: leaf } }

type Counting = { readonly bytes: Uint8Array; at: number; left: number }

/** Throws `too-large`. */
export function checkSubmission(bytes: Uint8Array): void {
  const jobs = countElements(bytes, leaf, jobsPerCall + 1)
  const all = jobs > jobsPerCall + 1 ? jobs : countElements(bytes, submissionShape, submissionElements)
  if (jobs <= jobsPerCall + 1 && all <= submissionElements) return
  const text = `a submission of more than ${jobsPerCall} jobs, or of more than ${submissionElements} fields in all`
  throw new PilotageError('too-large', text)
}

/**
 * Fields of the message and of those inside it that `shape` names. Stops above `max`, and where the bytes are no message.
 */
export function countElements(bytes: Uint8Array, shape: Shape, max: number): number {
  const counting: Counting = { bytes, at: 0, left: max + 1 }
  count(counting, shape, bytes.length)
  return max + 1 - counting.left
}

function count(counting: Counting, shape: Shape, end: number): void {
  while (counting.at < end && counting.left > 0) {
    const tag = varint(counting)
    counting.left -= 1
    switch (tag & 7) {
      case 0:
        varint(counting)
        break
      case 1:
        counting.at += 8
        break
      case 2: {
        const length = varint(counting)
        const inside = shape[Math.floor(tag / 8)]
        const until = Math.min(end, counting.at + length)
        if (inside) count(counting, inside, until)
        counting.at = until
        break
      }
      case 5:
        counting.at += 4
        break
      // Groups, which the decoder skips: what is in them is counted, so that nothing hides behind one.
      case 3:
      case 4:
        break
      default:
        counting.at = end
    }
  }
}

/**
 * A message cut behind every `perPiece` of its fields: one behind the other the pieces are the message, and each is one.
 * From where the bytes are no message, or hold a group, the rest is one piece.
 */
export function cutMessage(bytes: Uint8Array, perPiece: number): readonly Uint8Array[] {
  const pieces: Uint8Array[] = []
  const cutting = { bytes, at: 0 }
  for (let [begin, fields] = [0, 1]; ; fields += 1) {
    const isWhole = passField(cutting)
    if (!isWhole || cutting.at === bytes.length) return [...pieces, bytes.subarray(begin)]
    if (fields % perPiece === 0) {
      pieces.push(bytes.subarray(begin, cutting.at))
      begin = cutting.at
    }
  }
}

/** False: there is none that ends within the bytes. */
function passField(cutting: Pick<Counting, 'bytes' | 'at'>): boolean {
  const tag = varint(cutting)
  const type = tag & 7
  if (tag === 0) return false
  if (type === 0) varint(cutting)
  else if (type === 1) cutting.at += 8
  else if (type === 2) {
    const length = varint(cutting)
    cutting.at += length
  } else if (type === 5) cutting.at += 4
  else return false
  return cutting.at <= cutting.bytes.length
}

/** Not exact above 2^53, where no length is. */
function varint(counting: Pick<Counting, 'bytes' | 'at'>): number {
  let value = 0
  for (let place = 1; counting.at < counting.bytes.length; place *= 128) {
    const byte = counting.bytes[counting.at] ?? 0
    counting.at += 1
    value += (byte & 0x7f) * place
    if (byte < 0x80) break
  }
  return value
}
