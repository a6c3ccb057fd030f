/**
 * What went wrong, as HTTP: every code of ours has one status, and Fastify's own refusals become errors of ours first. The
 * one place where errors of this edge are mapped.
 */

import type { FastifyError, FastifyRequest } from 'fastify'
import { asPilotageError, type ErrorCode, PilotageError, shown, type Violation } from '../../core/kernel/errors.ts'

const statusOf: Readonly<Record<ErrorCode, number>> = {
  'invalid-argument': 400,
  'not-found': 404,
  conflict: 409,
  unauthenticated: 401,
  forbidden: 403,
  'too-large': 413,
  overloaded: 429,
  unsupported: 415,
  'quota-exceeded': 429,
  unavailable: 503,
  cancelled: 503,
  'cloud-auth': 502,
  'cloud-quota': 502,
  'cloud-capacity': 502,
  'cloud-refused': 502,
  'cloud-gone': 404,
  'cloud-transient': 503,
  'store-locked': 503,
  'store-newer': 503,
  'store-failed': 503,
  internal: 500,
}

export type Refusal = {
  readonly status: number
  /** Seconds; 0: nothing is said about it. */
  readonly retryAfter: number
  readonly body: { readonly code: ErrorCode; readonly message: string; readonly violations: readonly Violation[] }
}

/** An `internal` error stays inside: its text is for the log. */
export function refusalOf({ code, message, violations, retryAfterMs }: PilotageError): Refusal {
  const shown = code === 'internal' ? 'an error of the service; its log has the reason' : message
  return { status: statusOf[code], retryAfter: Math.ceil(retryAfterMs / 1000), body: { code, message: shown, violations } }
}

/** Any thrown thing as one of ours; its message names the request that it answers. */
export function asRefused(thrown: unknown, request: FastifyRequest): PilotageError {
  const doing = request.url.slice(0, 100)
  if (!isFastifyError(thrown)) return asPilotageError(thrown, doing)
  if (thrown.validation) {
    const given = { ...asRecord(request.query), ...asRecord(request.params) }
    const violations = thrown.validation.map((problem) => violationOf(problem, given))
    return new PilotageError('invalid-argument', `${doing}: ${violations.map(({ path }) => path).join(', ')}`, {
      violations,
    })
  }
  const status = thrown.statusCode ?? 500
  if (status === 413) return new PilotageError('too-large', `${doing}: the request is too large`)
  if (status === 404) return new PilotageError('not-found', `${doing}: there is no such page`)
  if (status >= 400 && status < 500) return new PilotageError('invalid-argument', `${doing}: ${thrown.message}`)
  return asPilotageError(thrown, doing)
}

/** What arrived by name and value; nothing else has fields to look at. */
export function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

type Problem = NonNullable<FastifyError['validation']>[number]

function violationOf(
  { keyword, instancePath, params, message }: Problem,
  given: Readonly<Record<string, unknown>>,
): Violation {
  const extra = params.additionalProperty ?? params.missingProperty
  const path = extra === undefined ? instancePath.slice(1) : String(extra)
  const accepted = Array.isArray(params.allowedValues) ? params.allowedValues.filter(Boolean).join(', ') : (message ?? '')
  return { path, value: shown(given[path] ?? ''), rule: keyword, accepted }
}

function isFastifyError(thrown: unknown): thrown is FastifyError {
  return thrown instanceof Error && !(thrown instanceof PilotageError) && ('statusCode' in thrown || 'validation' in thrown)
}
