/**
 * How a refusal is shown: for people the message, then each wrong field with the values that are accepted; for programs one
 * JSON object.
 */

import type { ErrorCode, PilotageError } from '../../core/kernel/errors.ts'
import { durationText } from '../../core/kernel/quantities.ts'
import { jsonText, visibleText } from '../../core/kernel/text.ts'

export function refusalText(error: PilotageError): string {
  const lines = [`pilotage: ${visibleText(error.message)} [${error.code}]`]
  for (const { path, value, rule, accepted } of error.violations) {
    const given = value === '' ? '' : ` (given: ${visibleText(value)})`
    lines.push(`  ${visibleText(path)}: ${visibleText(rule)}${given}; accepted: ${visibleText(accepted)}`)
  }
  if (error.retryAfterMs > 0) lines.push(`  retry after ${durationText(error.retryAfterMs)}`)
  // A wrong field says itself what is accepted.
  const next = error.violations.length > 0 ? undefined : nextSteps[error.code]
  if (next !== undefined) lines.push(`  next: ${next}`)
  return lines.join('\n')
}

/** What the user of a command does next; docs/errors.md says more. A message of a code without a line says it itself. */
export const nextSteps: Readonly<Partial<Record<ErrorCode, string>>> = {
  'not-found': 'check the name or number, and which context and token you use (pilotage config get-contexts)',
  unauthenticated: 'get a token from your administrator and name its file with --token-file or in a context',
  forbidden: 'ask a person who has the role, or use the token of the owner (--token-file)',
  'too-large': 'split it; submit --stream takes any number of jobs',
  overloaded: 'wait and try again, or ask for less at one time',
  'quota-exceeded': 'let jobs run or kill some, or ask the operator for a higher limit',
  unavailable: 'check the address (--server or the context), and that the service runs; --patience waits longer for it',
  'store-locked': 'stop the other process, or take another directory with --data',
  'store-newer': 'use the version of Pilotage that wrote it, or a newer one',
  'store-failed': 'look at the disk and at the log of the service, then start it again',
  internal: 'report it with the lines of the log of the service',
}

export function refusalJson(error: PilotageError): string {
  const { code, message, violations, retryAfterMs } = error
  return jsonText({ error: { code, message, violations, retryAfterMs } })
}
