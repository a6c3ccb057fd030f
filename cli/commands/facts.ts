/**
 * `pilotage facts`: what happened in an installation, as JSON Lines from its stream in NATS.
 *
 * A fact is acknowledged after it was written, so a durable reader that is killed misses none and may write some again. The
 * command ends by itself after the last fact, or with --follow by a signal.
 */

import { type Command, Option } from 'commander'
import type { Log, LogFields } from '../../core/ports/log.ts'
import { type Choose, withoutService } from '../action.ts'
import { repeated } from '../arguments.ts'
import { jsonLine } from '../output/table.ts'
import type { Terminal } from '../output/terminal.ts'
import { defaultDataDir, type ExitCode, type Setting } from '../setting.ts'

type FactsOptions = {
  readonly follow?: boolean
  readonly durable?: string
  readonly from: 'beginning' | 'now'
  readonly nats?: readonly string[]
  readonly plaintext?: boolean
  readonly config?: string
  readonly installation?: string
  readonly data: string
}

export function addFactsCommand(program: Command, choose: Choose): void {
  const action = withoutService(choose, writeStream)
  const command = program
    .command('facts')
    .description('print what happened as JSON Lines, from the stream of facts in NATS; needs no service')
    .option('--follow', 'wait for more facts, and for an unreachable NATS, until SIGINT or SIGTERM')
    .option('--durable <name>', 'NATS stores the position under this name, and the next run continues there')
    .addOption(
      new Option('--from <position>', 'where a new reader starts').choices(['beginning', 'now']).default('beginning'),
    )
    .option('--nats <url>', 'address of NATS; once per server of a cluster', repeated)
    .option('--plaintext', 'with --nats: allow connections without TLS beyond this machine')
    .option('--config <file>', 'configuration of the service: take the address of NATS and the credentials from it')
    .option('--installation <name>', 'name of the installation (default: the one in the data directory)')
    .option('--data <directory>', 'data directory of the service', defaultDataDir)
    .configureHelp({ showGlobalOptions: false })
  command.action((...given: unknown[]) => {
    const { nats = [], config } = command.opts<FactsOptions>()
    if ((nats.length === 0) === (config === undefined)) command.error('error: give either --nats or --config')
    action(...given)
  })
}

async function writeStream(setting: Setting, options: FactsOptions): Promise<ExitCode> {
  const { clock, random, signal, terminal } = setting
  const { follow = false, durable, from, nats: servers = [], plaintext = false, config, installation, data } = options
  const { readInstallationFacts } = await import('../../services/run/read-facts.ts')
  const facts = readInstallationFacts({
    nats: config === undefined ? { servers, plaintext } : { configFile: config },
    installation: installation === undefined ? { dataDir: data } : { name: installation },
    durable,
    from,
    follow,
    clock,
    random,
    log: noticeLog(terminal),
    signal,
  })
  for await (const { fact, acknowledge } of facts) {
    if (!(await terminal.write(jsonLine(fact)))) break
    acknowledge()
  }
  return 0
}

/** Standard output is for facts. Good news is shown only after bad news. */
function noticeLog(terminal: Terminal): Log {
  let hasWarned = false
  const write = (fields: LogFields, message: string): void => terminal.say(`pilotage: ${message} ${JSON.stringify(fields)}`)
  const warn = (fields: LogFields, message: string): void => {
    hasWarned = true
    write(fields, message)
  }
  const log: Log = {
    debug: () => {},
    info: (fields, message) => {
      if (hasWarned) write(fields, message)
    },
    warn,
    error: warn,
    with: () => log,
  }
  return log
}
