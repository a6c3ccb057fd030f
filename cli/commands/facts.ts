/**
 * `pilotage facts`: what happened in an installation, as JSON lines from its stream in NATS.
 *
 * Speaks with NATS and with no service, so that history can be taken away while the service is down. A fact is acknowledged
 * after it was written, so a durable reader that is killed misses none and may write some again. Ends by itself behind what
 * there is, or with --follow by a signal. Exit codes: 0 done, 1 failed, 2 wrong usage.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../../core/kernel/clock.ts'
import { asPilotageError, PilotageError } from '../../core/kernel/errors.ts'
import type { Fact } from '../../core/model/facts.ts'
import type { Log, LogFields } from '../../core/ports/log.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { jsonText } from '../../core/kernel/text.ts'
import { gatherViolations } from '../../core/kernel/violations.ts'
import { readFacts } from '../../services/adapters/bus/nats/fact-reader.ts'
import { readConfigFile } from '../../services/run/configuration.ts'
import { plainNats } from '../../services/config/plaintext.ts'
import { type NatsAccess, readNatsAccess } from '../../services/run/nats-access.ts'
import { readSecrets } from '../../services/run/secrets.ts'

const usage = `pilotage facts [options]   writes what happened as JSON lines, from the stream of facts in NATS

  --follow              wait for more, until SIGINT or SIGTERM; also for a NATS that is away
  --durable NAME        NATS remembers how far NAME has read, and the next run goes on there
  --from beginning|now  where a new reader begins (beginning)
  --nats URL            where NATS is; once for each server of a cluster. Or
  --plaintext           with --nats beyond this machine without TLS, on a network with no other users
  --config FILE         as this configuration of the service says, with its credentials
  --installation NAME   whose facts; else the name that the data directory has
  --data DIR            the data directory of the service (pilotage-data)
`

const options = {
  follow: { type: 'boolean', default: false },
  durable: { type: 'string' },
  from: { type: 'string', default: 'beginning' },
  nats: { type: 'string', multiple: true, default: [] as string[] },
  plaintext: { type: 'boolean', default: false },
  config: { type: 'string' },
  installation: { type: 'string' },
  data: { type: 'string', default: 'pilotage-data' },
  help: { type: 'boolean', default: false },
} as const

export async function facts(argv: readonly string[]): Promise<void> {
  const values = parse(argv)
  if (values === undefined) return
  const leaving = new AbortController()
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => {
      // Asked twice: whoever asks does not want to wait for good order.
      if (leaving.signal.aborted) process.exit(code)
      leaving.abort()
    })
  }
  // A reader that closed the pipe (head, less) has seen enough.
  process.stdout.on('error', () => leaving.abort())
  try {
    const { follow, durable, from } = values
    const installation = values.installation ?? nameIn(values.data)
    const around = { clock: systemClock(), random: systemRandom(), log: errorStreamLog(), signal: leaving.signal }
    const reading = readFacts({ ...around, ...access(values), installation, durable, from, follow })
    for await (const { fact, acknowledge } of reading) {
      if (!(await written(fact))) break
      acknowledge()
    }
  } catch (thrown) {
    const error = asPilotageError(thrown, 'reading facts')
    const details = error.violations.map(({ path, value, rule, accepted }) => `\n  ${path}: ${value}: ${rule}; ${accepted}`)
    process.stderr.write(`pilotage: ${error.code}: ${error.message}${details.join('')}\n`)
    process.exitCode = 1
  }
}

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>['values'] & { readonly from: 'beginning' | 'now' }

/** Undefined where there is nothing to do any more: help was given, or wrong usage told. */
function parse(argv: readonly string[]): Values | undefined {
  try {
    const { values } = parseArgs({ args: [...argv], options })
    if (values.help) {
      process.stdout.write(usage)
      return undefined
    }
    const { from, nats, config } = values
    if (from !== 'beginning' && from !== 'now') throw new Error(`--from ${from}: beginning or now`)
    if ((nats.length === 0) === (config === undefined)) throw new Error('where is NATS? Either --nats or --config')
    return { ...values, from }
  } catch (error) {
    process.stderr.write(`pilotage: ${error instanceof Error ? error.message : error}\n\n${usage}`)
    process.exitCode = 2
    return undefined
  }
}

function access({ nats: servers, config: path, plaintext }: Values): NatsAccess {
  if (path === undefined) {
    const violations = gatherViolations()
    for (const server of plaintext ? [] : plainNats(servers, undefined)) {
      violations.add('--nats', server, 'not encrypted', 'an address of this machine; any with tls://, or with --plaintext')
    }
    violations.settle('reading the options')
    return { servers }
  }
  const { nats } = readConfigFile(path)
  if (!nats) throw new PilotageError('invalid-argument', `${path} names no NATS: it has no key nats`)
  const reader = readSecrets()
  const read = readNatsAccess(nats, reader)
  reader.settle()
  return read
}

function nameIn(dataDir: string): string {
  try {
    return readFileSync(join(dataDir, 'installation'), 'utf8').trim()
  } catch (cause) {
    throw new PilotageError('not-found', `no installation in ${dataDir}: say --installation or --data`, { cause })
  }
}

/** False where nobody reads any more. */
function written(fact: Fact): Promise<boolean> {
  return new Promise((resolve) => process.stdout.write(`${jsonText(fact)}\n`, (error) => resolve(!error)))
}

/** Standard output is for facts. What is in order is told only after something was not. */
function errorStreamLog(): Log {
  let isWarned = false
  const write = (fields: LogFields, message: string): void =>
    void process.stderr.write(`pilotage: ${message} ${JSON.stringify(fields)}\n`)
  const warn = (fields: LogFields, message: string): void => {
    isWarned = true
    write(fields, message)
  }
  const log: Log = {
    debug: () => {},
    info: (fields, message) => {
      if (isWarned) write(fields, message)
    },
    warn,
    error: warn,
    with: () => log,
  }
  return log
}
