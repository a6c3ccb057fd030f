/**
 * `pilotage token`: tokens that the administrator issues. A token is written to standard output alone, or to a new file that
 * only its owner can read.
 */

import { type Command, Option } from 'commander'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { tokenMaxMs } from '../../core/kernel/limits.ts'
import { type Choose, withService } from '../action.ts'
import { numberBetween } from '../arguments.ts'
import { jsonLine, timeText } from '../output/table.ts'
import { type CommonOptions, type ExitCode, type Setting, writeNewFile } from '../setting.ts'

const hourMs = 3_600_000
const minHours = 0.01
const roles = ['user', 'operator', 'admin']

type TokenOptions = CommonOptions & {
  readonly subject: string
  readonly vo: string
  readonly group: string
  readonly role: readonly string[]
  readonly hours?: number
  readonly out?: string
}

export function addTokenCommands(program: Command, choose: Choose): void {
  program
    .command('token')
    .description('issue tokens (administrators)')
    .command('create')
    .description('create a token for a user; printed, or with --out written to a new file of mode 0600')
    .requiredOption('--subject <user>', "the user's name")
    .requiredOption('--vo <vo>', "the user's VO")
    .option('--group <group>', 'the group in the VO', 'users')
    .addOption(new Option('--role <roles...>', 'roles of the user').choices(roles).default(['user'], 'user'))
    .option('--hours <hours>', 'lifetime in hours (default 24)', numberBetween(minHours, tokenMaxMs / hourMs, false))
    .option('--out <file>', 'file to create')
    .action(withService(choose, createToken))
}

async function createToken({ terminal }: Setting, client: PilotageClient, options: TokenOptions): Promise<ExitCode> {
  const { subject, vo, group, role, hours = 0, out, json } = options
  const answer = await client.createToken({ subject, vo, group, roles: role, lifetimeMs: Math.round(hours * hourMs) })
  if (out === undefined) {
    await terminal.write(json ? jsonLine(answer) : `${answer.token}\n`)
  } else {
    writeNewFile(out, `${answer.token}\n`, 0o600)
    if (json) await terminal.write(jsonLine({ file: out, expiresMs: answer.expiresMs }))
  }
  const where = out === undefined ? '' : `, written to ${out}`
  terminal.say(`token for ${subject} of ${vo}, valid until ${timeText(answer.expiresMs)} UTC${where}`)
  return 0
}
