/**
 * Chooses the isolation of a pilot: the kind that is asked for, or the best that the machine offers. Each candidate is tried
 * by running it, so what is named is what works.
 *
 * What stays true: `plain` is used only where it is asked for, or where the pilot has no accounts for payloads and is not
 * root. Everywhere else a pilot that cannot isolate ends, and says why, before it takes a job.
 */

import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import type { IsolationChoice, IsolationKind, PayloadAccounts } from '../../../core/model/agent-config.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { accountsIsolation } from './accounts-isolation.ts'
import { setprivPath } from './as-account.ts'
import { bubblewrapPath } from './bubblewrap.ts'
import type { Isolation } from './isolation.ts'
import { findLauncher } from './launcher.ts'
import { namespacesIsolation, type NamespacesTool } from './namespaces-isolation.ts'
import { plainIsolation } from './plain-isolation.ts'
import { type Probed, probe } from './probe.ts'
import { unsharePath } from './unshare.ts'

export type ChooseOptions = {
  readonly choice: IsolationChoice
  /** For payloads, where the machine has them. */
  readonly accounts?: PayloadAccounts
  /** Where payloads' directories are made, and where a trial makes one. */
  readonly workDir: string
  /** Of the operator, read-only. */
  readonly binds: readonly string[]
  /** Never seen by a payload. */
  readonly hidden: readonly string[]
  readonly uid?: number
}

export type Chosen = {
  readonly isolation: Isolation
  /** Each better candidate that this machine does not offer, with the reason. */
  readonly missed: readonly string[]
}

type Candidate = { readonly kind: IsolationKind; readonly tool: string; readonly open: () => Isolation | string }

/** Throws `forbidden` where nothing that is allowed works. */
export async function chooseIsolation(options: ChooseOptions): Promise<Chosen> {
  const { choice, workDir } = options
  const missed: string[] = []
  for (const { kind, tool, open } of candidates(options)) {
    if (choice !== 'auto' && choice !== kind) continue
    const opened = open()
    const tried: Probed = typeof opened === 'string' ? { isGood: false, why: opened } : await probe(opened, workDir)
    if (typeof opened !== 'string' && tried.isGood) return { isolation: opened, missed }
    missed.push(`${kind} by ${tool}: ${tried.isGood ? '' : tried.why}`)
  }
  const isPlainAllowed = choice === 'plain' || (choice === 'auto' && !isPrivileged(options))
  if (isPlainAllowed) return { isolation: plainIsolation(), missed }
  throw new PilotageError(
    'forbidden',
    `isolation ${choice} is not possible on this machine: ${missed.join('; ')}. Install bubblewrap, or set isolation: plain`,
  )
}

/** What payloads would reach without isolation is more than their own user's files. */
function isPrivileged({ accounts, uid = process.getuid?.() }: ChooseOptions): boolean {
  return accounts !== undefined || uid === 0
}

/** Best first. */
function candidates(options: ChooseOptions): readonly Candidate[] {
  const namespaces = (tool: NamespacesTool, path: string) => ({
    kind: 'namespaces' as const,
    tool,
    open: () =>
      lacking(path) ?? namespacesIsolation({ ...options, tool, version: tool === 'bubblewrap' ? versionOf(path) : '' }),
  })
  return [
    namespaces('bubblewrap', bubblewrapPath),
    namespaces('unshare', unsharePath),
    {
      kind: 'accounts',
      tool: 'setpriv',
      open: () => {
        const { accounts } = options
        if (!accounts) return 'this machine has no accounts for payloads'
        return lacking(setprivPath) ?? accountsIsolation(accounts)
      },
    },
  ]
}

function lacking(program: string): string | undefined {
  if (!findLauncher()) return 'there is neither Perl nor Python 3'
  try {
    accessSync(program, constants.X_OK)
    return undefined
  } catch {
    return `there is no ${program}`
  }
}

function versionOf(program: string): string {
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8', timeout: 10_000 })
  return /\d+(?:\.\d+)+/.exec(stdout ?? '')?.[0] ?? ''
}
