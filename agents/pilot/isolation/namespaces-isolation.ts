/**
 * Isolation by namespaces of its own per payload: processes, mounts, memory segments, host name. The network is the
 * machine's.
 *
 * Where the pilot may become other accounts, the payload has one of those as well: its own where the machine has accounts
 * for payloads, one that no file of the machine belongs to where the pilot is root. Everything of a payload lives in its PID
 * namespace, and the kernel ends all of it when the namespace's first process ends.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { PayloadAccounts } from '../../../core/model/agent-config.ts'
import { makeDirectory, type Owners, removeDirectory, whyKept } from '../directory.ts'
import { type Accounts, openAccounts, sharedPlaces } from './accounts.ts'
import { becoming } from './as-account.ts'
import { bubblewrapCommand } from './bubblewrap.ts'
import type { Confinement, Isolation } from './isolation.ts'
import { findLauncher } from './launcher.ts'
import { measureAs, measureHere } from './measure.ts'
import { unshareCommand } from './unshare.ts'
import { foldersInTmp, mountsFor } from './view.ts'

export type NamespacesTool = 'bubblewrap' | 'unshare'

export type NamespacesOptions = {
  readonly tool: NamespacesTool
  readonly version: string
  readonly accounts?: PayloadAccounts
  readonly binds: readonly string[]
  readonly hidden: readonly string[]
}

/**
 * Of all payloads of a pilot that is root: a number that systems leave free, and that contextualization gives to the agents.
 */
export const rootsPayloadUid = 61_000

export function namespacesIsolation(options: NamespacesOptions): Isolation {
  const { tool, version, accounts: given } = options
  const accounts = given && openAccounts(given, sharedPlaces)
  const owners: Owners = given
    ? { isOurs: (uid) => uid >= given.firstUid && uid < given.firstUid + given.count, remover: (uid) => uid }
    : // Root removes it itself: other payloads do not see it, and this one is over.
      { isOurs: (uid) => uid === rootsPayloadUid, remover: () => undefined }
  const sharedUid = process.getuid?.() === 0 ? rootsPayloadUid : undefined
  return {
    kind: 'namespaces',
    tool: version === '' ? tool : `${tool} ${version}`,
    confine(key, dir, memoryBytes) {
      const account = accounts?.take(key)
      if (accounts && account === undefined) return undefined
      const uid = account ?? sharedUid
      return confinement({ ...options, key, dir, memoryBytes, uid, account, pool: accounts, owners })
    },
    endLeftovers: async () => accounts?.endAll(),
    removeDirectory: (dir, keeping) => removeDirectory(dir, owners, keeping),
    places: () => accounts?.left() ?? Infinity,
    retired: () => accounts?.retired() ?? [],
  }
}

type One = NamespacesOptions & {
  readonly key: string
  readonly dir: string
  readonly memoryBytes: number
  /** What it becomes; absent: it stays what the pilot is. */
  readonly uid?: number
  /** Its own, out of the pool. */
  readonly account?: number
  readonly pool?: Accounts
  readonly owners: Owners
}

function confinement(one: One): Confinement {
  const { key, dir, uid, account, pool, owners } = one
  return {
    command: [...entering(one), ...(findLauncher() ?? [])],
    mode: 'init',
    account,
    prepare() {
      makeDirectory(dir, uid, foldersInTmp(dir))
      if (one.tool === 'unshare') mkdirSync(join(dir, 'root'), { mode: 0o711 })
    },
    end: async () => (account === undefined ? 0 : (pool?.end(key) ?? 0)),
    async remove() {
      const kept = await whyKept(dir, owners)
      await pool?.release(key, kept)
    },
    // Root measures as root: the way to the directory may be closed to the account.
    measure: (pids, limits) =>
      uid === undefined ? measureHere(dir, pids, limits, true) : measureAs(account, dir, pids, true),
  }
}

/** Root makes the view with its powers and gives them up inside; every other account gives them up first. */
function entering({ tool, uid, account, dir, memoryBytes, binds, hidden }: One): readonly string[] {
  const mounts = mountsFor({ dir, memoryBytes, binds, hidden })
  const isRoot = uid !== undefined && account === undefined
  const become = uid === undefined ? [] : becoming(uid)
  const numbers = isRoot ? undefined : { uid: uid ?? process.getuid?.() ?? 0, gid: uid ?? process.getgid?.() ?? 0 }
  const enter =
    tool === 'bubblewrap'
      ? bubblewrapCommand(mounts, isRoot)
      : unshareCommand({ mounts, base: join(dir, 'root'), account: numbers })
  return isRoot ? [...enter, ...become] : [...become, ...enter]
}
