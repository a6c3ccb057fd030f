/**
 * The log as JSON lines on standard output, by pino. What carries a secret by its name is struck out, whatever happens to be
 * logged: the last line of defence, not the first. A line acts on no terminal, whatever a name in it would do.
 *
 * The level may change while the log is in use, for all that was derived from it: pino itself fixes it for each child.
 */

import { type Logger, pino } from 'pino'
import { type Log, type LogFields, type LogLevel, logLevels } from '../../../../core/ports/log.ts'
import { visibleLines } from '../../../../core/kernel/text.ts'

type Pino = Logger<never>

const secrets = ['token', 'credential', 'activationKey', 'userData', 'authorization', 'password', 'signingKey', 'nonce']

export type PinoLog = Log & { setLevel(level: LogLevel): void }

/** `path`: a file instead of standard output. */
export function pinoLog(level: LogLevel, path?: string): PinoLog {
  const redact = { paths: secrets.flatMap((name) => [name, `*.${name}`]), censor: '[secret]' }
  const all = pino(
    { level: logLevels[0], redact, hooks: { streamWrite: visibleLines } },
    pino.destination({ dest: path ?? 1, sync: true, mkdir: true, mode: 0o600 }),
  )
  let lowest = logLevels.indexOf(level)
  const isWritten = (of: LogLevel): boolean => logLevels.indexOf(of) >= lowest
  return {
    ...over(all, isWritten),
    setLevel(next) {
      lowest = logLevels.indexOf(next)
    },
  }
}

function over(logger: Pino, isWritten: (level: LogLevel) => boolean): Log {
  const writer = (level: LogLevel) => (fields: LogFields, message: string) => {
    if (isWritten(level)) logger[level](fields, message)
  }
  return {
    debug: writer('debug'),
    info: writer('info'),
    warn: writer('warn'),
    error: writer('error'),
    with: (fields: LogFields) => over(logger.child(fields), isWritten),
  }
}
