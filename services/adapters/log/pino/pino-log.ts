/**
 * The log as JSON lines on standard output, by pino. What carries a secret by its name is struck out, whatever happens to be
 * logged: the last line of defence, not the first. A line acts on no terminal, whatever a name in it would do.
 */

import { pino } from 'pino'
import type { Log, LogFields } from '../../../../core/ports/log.ts'
import { visibleLines } from '../../../../core/kernel/text.ts'

type Pino = ReturnType<typeof pino>

const secrets = ['token', 'credential', 'activationKey', 'userData', 'authorization', 'password', 'signingKey', 'nonce']

/** `path`: a file instead of standard output. */
export function pinoLog(level: string, path?: string): Log {
  const redact = { paths: secrets.flatMap((name) => [name, `*.${name}`]), censor: '[secret]' }
  return over(
    pino(
      { level, redact, hooks: { streamWrite: visibleLines } },
      pino.destination({ dest: path ?? 1, sync: true, mkdir: true, mode: 0o600 }),
    ),
  )
}

function over(logger: Pino): Log {
  return {
    debug: (fields: LogFields, message: string) => logger.debug(fields, message),
    info: (fields: LogFields, message: string) => logger.info(fields, message),
    warn: (fields: LogFields, message: string) => logger.warn(fields, message),
    error: (fields: LogFields, message: string) => logger.error(fields, message),
    with: (fields: LogFields) => over(logger.child(fields)),
  }
}
