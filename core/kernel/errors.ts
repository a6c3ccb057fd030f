/**
 * What the world can do wrong, in one closed set. Our own bugs are assertions and have no code.
 *
 * Every code has a line in docs/errors.md (a test holds the two together). Each edge maps the codes once to its own
 * statuses. A message says what we were doing; the cause stays attached.
 */

export const errorCodes = [
  'invalid-argument',
  'not-found',
  'conflict',
  'unauthenticated',
  'forbidden',
  'too-large',
  'overloaded',
  'unsupported',
  'quota-exceeded',
  'unavailable',
  'cancelled',
  'cloud-auth',
  'cloud-quota',
  'cloud-capacity',
  'cloud-refused',
  'cloud-gone',
  'cloud-transient',
  'store-locked',
  'store-newer',
  'store-failed',
  'internal',
] as const

export type ErrorCode = (typeof errorCodes)[number]

/** One wrong field: where, what was given, which rule it breaks, and what would be accepted. */
export type Violation = {
  readonly path: string
  readonly value: string
  readonly rule: string
  readonly accepted: string
}

export type ErrorExtras = {
  readonly violations?: readonly Violation[]
  /** When repeating may help: after this time. */
  readonly retryAfterMs?: number
  /** What else a program may want to know, by names. */
  readonly notes?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

export class PilotageError extends Error {
  readonly code: ErrorCode
  readonly violations: readonly Violation[]
  readonly retryAfterMs: number
  readonly notes: Readonly<Record<string, string>>

  constructor(code: ErrorCode, message: string, extras: ErrorExtras = {}) {
    super(message, { cause: extras.cause })
    this.name = 'PilotageError'
    this.code = code
    this.violations = extras.violations ?? []
    this.retryAfterMs = extras.retryAfterMs ?? 0
    this.notes = extras.notes ?? {}
  }
}

/** Any thrown thing as one of ours: what has no code yet is `internal`, with its cause kept. */
export function asPilotageError(thrown: unknown, doing: string): PilotageError {
  if (thrown instanceof PilotageError) return thrown
  const reason = thrown instanceof Error ? thrown.message : String(thrown)
  return new PilotageError('internal', `${doing}: ${reason}`, { cause: thrown })
}

/** A violation's value as it is shown: shortened, and never an object's default text. */
export function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
  return text.length <= 100 ? text : `${text.slice(0, 97)}...`
}
