/**
 * How a refusal is shown: for people the message, then each wrong field with the values that are accepted; for programs one
 * JSON object.
 */

import type { PilotageError } from '../../core/kernel/errors.ts'
import { durationText } from '../../core/kernel/quantities.ts'
import { jsonText, visibleText } from '../../core/kernel/text.ts'

export function refusalText(error: PilotageError): string {
  const lines = [`pilotage: ${visibleText(error.message)} [${error.code}]`]
  for (const { path, value, rule, accepted } of error.violations) {
    const given = value === '' ? '' : ` (given: ${visibleText(value)})`
    lines.push(`  ${visibleText(path)}: ${visibleText(rule)}${given}; accepted: ${visibleText(accepted)}`)
  }
  if (error.retryAfterMs > 0) lines.push(`  retry after ${durationText(error.retryAfterMs)}`)
  return lines.join('\n')
}

export function refusalJson(error: PilotageError): string {
  const { code, message, violations, retryAfterMs } = error
  return jsonText({ error: { code, message, violations, retryAfterMs } })
}
