/** Isolation by an account of its own per payload, entered with no power left and none to be gained. */

import type { PayloadAccounts } from '../../../core/model/agent-config.ts'
import { makeDirectory, type Owners, removeDirectory, whyKept } from '../directory.ts'
import { openAccounts } from './accounts.ts'
import { becoming } from './as-account.ts'
import type { Isolation } from './isolation.ts'
import { findLauncher } from './launcher.ts'
import { measureAs } from './measure.ts'

export function accountsIsolation(given: PayloadAccounts): Isolation {
  const accounts = openAccounts(given)
  const owners: Owners = {
    isOurs: (uid) => uid >= given.firstUid && uid < given.firstUid + given.count,
    remover: (uid) => uid,
  }
  return {
    kind: 'accounts',
    tool: 'setpriv',
    confine(key, dir) {
      const uid = accounts.take(key)
      if (uid === undefined) return undefined
      return {
        command: [...becoming(uid), ...(findLauncher() ?? [])],
        mode: 'exec',
        account: uid,
        prepare: () => makeDirectory(dir, uid),
        end: () => accounts.end(key),
        async remove() {
          const kept = await whyKept(dir, owners)
          await accounts.release(key, kept)
        },
        measure: (pids) => measureAs(uid, dir, pids, false),
      }
    },
    endLeftovers: () => accounts.endAll(),
    removeDirectory: (dir, keeping) => removeDirectory(dir, owners, keeping),
    places: () => accounts.left(),
    retired: () => accounts.retired(),
  }
}
