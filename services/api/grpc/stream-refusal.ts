/**
 * What a refused stream of submissions says: which of its messages was refused, and what was accepted before it. The stream
 * has no other answer, and without the ids the caller would not know its own jobs.
 */

import { asPilotageError, PilotageError } from '../../../core/kernel/errors.ts'

const method = 'submitJobStream'
/** Of the ids: a refusal travels in metadata, of which every client accepts 8 KiB. */
const idsLength = 1000

/** The refusal of one message, its paths beginning at the stream: `messages[1].jobs[0].executable`. */
export function inMessage(position: number, thrown: unknown): PilotageError {
  const error = asPilotageError(thrown, method)
  const where = `messages[${position}]`
  const violations = error.violations.map((violation) => ({ ...violation, path: `${where}.${violation.path}` }))
  return withMore(error, `${where}: ${error.message}`, violations, error.notes)
}

type Accepted = { readonly jobIds: readonly number[] }

/**
 * Notes: `acceptedMessages`, the number of messages that were accepted, and `acceptedJobIds`, their jobs as `17-19,25` in
 * order; where these are too many to be said, `unsaidJobIds` is how many are left out at the end.
 */
export function afterSubmissions(answers: readonly Accepted[], thrown: unknown): PilotageError {
  const error = asPilotageError(thrown, method)
  const { text, unsaid } = rangesOf(answers.flatMap(({ jobIds }) => jobIds))
  const notes = {
    ...error.notes,
    acceptedMessages: String(answers.length),
    acceptedJobIds: text,
    ...(unsaid > 0 ? { unsaidJobIds: String(unsaid) } : {}),
  }
  return withMore(error, error.message, error.violations, notes)
}

function rangesOf(ids: readonly number[]): { readonly text: string; readonly unsaid: number } {
  let text = ''
  for (let at = 0; at < ids.length; ) {
    const first = ids[at] ?? 0
    let end = at + 1
    while (ids[end] === first + end - at) end += 1
    const range = end === at + 1 ? String(first) : `${first}-${first + end - at - 1}`
    if (text.length + range.length > idsLength) return { text, unsaid: ids.length - at }
    text += `${text === '' ? '' : ','}${range}`
    at = end
  }
  return { text, unsaid: 0 }
}

function withMore(
  { code, retryAfterMs, cause }: PilotageError,
  message: string,
  violations: PilotageError['violations'],
  notes: PilotageError['notes'],
): PilotageError {
  return new PilotageError(code, message, { violations, retryAfterMs, notes, cause })
}
