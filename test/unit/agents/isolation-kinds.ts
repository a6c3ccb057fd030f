/**
 * Every isolation that this machine offers, each tried before it is listed, for tests that hold for all of them. What is not
 * offered is listed with the reason, so that a skipped test says why.
 */

import { chmodSync, copyFileSync, mkdtempSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { accountsIsolation } from '../../../agents/pilot/isolation/accounts-isolation.ts'
import { bubblewrapPath } from '../../../agents/pilot/isolation/bubblewrap.ts'
import type { Isolation } from '../../../agents/pilot/isolation/isolation.ts'
import { namespacesIsolation, type NamespacesTool } from '../../../agents/pilot/isolation/namespaces-isolation.ts'
import { plainIsolation } from '../../../agents/pilot/isolation/plain-isolation.ts'
import { probe } from '../../../agents/pilot/isolation/probe.ts'

export type KindHere = {
  readonly name: string
  readonly isolation: Isolation
  /** Empty: it works here. */
  readonly why: string
}

export const firstUid = 61_500
const isRoot = process.getuid?.() === 0

/** `binds`: what payloads of the test see besides the system. Accounts are not shared with other files that run at once. */
export async function isolationKinds(binds: readonly string[], from: number = firstUid): Promise<readonly KindHere[]> {
  const programs = isTemporary(process.execPath) ? [] : [dirname(process.execPath)]
  const seen = { binds: [...programs, ...binds], hidden: [] }
  const namespaces = (tool: NamespacesTool, first?: number): Isolation =>
    namespacesIsolation({
      tool,
      version: '',
      ...seen,
      accounts: first === undefined ? undefined : { firstUid: first, count: 8 },
    })
  const withAccounts: readonly (readonly [string, Isolation])[] = isRoot
    ? [
        ['accounts', accountsIsolation({ firstUid: from, count: 8 })],
        ['namespaces by bubblewrap under accounts', namespaces('bubblewrap', from + 10)],
        ['namespaces by unshare under accounts', namespaces('unshare', from + 20)],
      ]
    : []
  const all: readonly (readonly [string, Isolation])[] = [
    ['plain', plainIsolation()],
    ['plain without a launcher', plainIsolation(null)],
    [`namespaces by ${bubblewrapPath}`, namespaces('bubblewrap')],
    ['namespaces by unshare', namespaces('unshare')],
    ...withAccounts,
  ]
  const workDir = workPlace()
  return Promise.all(
    all.map(async ([name, isolation], at) => {
      const tried = await probe(isolation, join(workDir, String(at)))
      return { name, isolation, why: tried.isGood ? '' : tried.why }
    }),
  )
}

/** Temporary folders are each payload's own: what lies there on the machine is not seen. */
function isTemporary(path: string): boolean {
  return ['/tmp/', '/var/tmp/', `${tmpdir()}/`].some((folder) => path.startsWith(folder))
}

/**
 * A folder that payloads see, and that other accounts may enter: in the repository, unless that lies in a temporary folder.
 */
export function bindPlace(): string {
  const inside = join(import.meta.dirname, '../../../node_modules')
  const base = isTemporary(inside) ? (isRoot ? '/srv' : homedir()) : inside
  const place = mkdtempSync(join(base, '.pilotage-test-'))
  chmodSync(place, 0o755)
  return place
}

/** Node where payloads see it: a copy in the place, if the one that runs the tests lies in a temporary folder. */
export function seenNode(place: string): string {
  if (!isTemporary(process.execPath)) return process.execPath
  const copy = join(place, 'node')
  copyFileSync(process.execPath, copy)
  chmodSync(copy, 0o755)
  return copy
}

/** Payloads that are not the pilot's account pass through it. */
export function workPlace(): string {
  const place = mkdtempSync(join(tmpdir(), 'pilotage-isolation-'))
  chmodSync(place, 0o711)
  return place
}
