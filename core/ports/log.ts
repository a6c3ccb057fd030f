/** Structured lines for operators. Fields are plain data; a secret has no place in them. */

export type LogFields = Readonly<Record<string, unknown>>

/** From all lines to the fewest. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof logLevels)[number]

export interface Log {
  debug(fields: LogFields, message: string): void
  info(fields: LogFields, message: string): void
  warn(fields: LogFields, message: string): void
  error(fields: LogFields, message: string): void
  /** The same log with these fields on every line. */
  with(fields: LogFields): Log
}

/** Says nothing: for tests and the simulator. */
export function silentLog(): Log {
  const nothing = (): void => {}
  const log: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing, with: () => log }
  return log
}
