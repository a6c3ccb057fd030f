/** Who looks at the dashboard: a user whom the action `dashboard.use` is open to. */

import { callerFor } from '../../core/access/caller.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { Identity, Owner, User } from '../../core/model/owner.ts'

/** Throws `forbidden` for a VM, and for a user without any role. */
export function viewerOf(identity: Identity): User {
  callerFor('dashboard.use', identity)
  if (identity.kind === 'user') return identity
  throw new PilotageError('forbidden', 'the dashboard is for users')
}

/** The same for every request of one viewer, and for no other's. */
export function viewerKey({ owner: { vo, group, owner } }: { readonly owner: Owner }): string {
  return JSON.stringify([vo, group, owner])
}
