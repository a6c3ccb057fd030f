/** Who calls in the user scenario: each with a token of their own, and the command as they would type it. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectPilotage, type PilotageClient } from '../../../client/pilotage-client.ts'
import type { Clock } from '../../../core/kernel/clock.ts'
import { type Random, seededRandom } from '../../../core/kernel/random.ts'
import type { UserRole } from '../../../core/model/owner.ts'
import { type Ran, run } from '../../support/run-command.ts'

/** The user whose jobs these are, another one of the VO, one of another VO, an operator, the administrator. */
export const callerNames = ['self', 'other', 'stranger', 'operator', 'admin'] as const
export type CallerName = (typeof callerNames)[number]

const people: Readonly<Record<CallerName, { subject: string; vo: string; roles: readonly UserRole[] }>> = {
  self: { subject: 'ada', vo: 'lhcb', roles: ['user'] },
  other: { subject: 'ben', vo: 'lhcb', roles: ['user'] },
  stranger: { subject: 'eve', vo: 'belle', roles: ['user'] },
  operator: { subject: 'olga', vo: 'ops', roles: ['user', 'operator'] },
  admin: { subject: 'root', vo: 'ops', roles: ['user', 'operator', 'admin'] },
}

export type Caller = {
  readonly name: CallerName
  readonly token: string
  readonly client: PilotageClient
  run(argv: readonly string[], signal?: AbortSignal): Promise<Ran>
}

export type Callers = Readonly<Record<CallerName, Caller>>

export async function openCallers(clock: Clock, dir: string, server: string, adminToken: string): Promise<Callers> {
  const admin = connectPilotage({ server, token: adminToken, clock })
  const callers = await Promise.all(
    callerNames.map(async (name, at) => {
      const { subject, vo, roles } = people[name]
      const { token } = await admin.createToken({ subject, vo, group: 'users', roles: [...roles], lifetimeMs: 0 })
      return [name, openCaller({ clock, dir, server, name, token, random: seededRandom(at + 1) })] as const
    }),
  )
  admin.close()
  return Object.fromEntries(callers) as Callers
}

type CallerOptions = {
  readonly clock: Clock
  readonly dir: string
  readonly server: string
  readonly name: CallerName
  readonly token: string
  readonly random: Random
}

function openCaller({ clock, dir, server, name, token, random }: CallerOptions): Caller {
  const tokenFile = join(dir, `${name}.token`)
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 })
  const environment = { PILOTAGE_SERVER: server, PILOTAGE_TOKEN_FILE: tokenFile }
  return {
    name,
    token,
    client: connectPilotage({ server, token, clock }),
    run: (argv, signal) => run(argv, { environment, workDir: dir, clock, random, ...(signal ? { signal } : {}) }),
  }
}
