/**
 * The one permission table: one row per action, one column per kind of caller, and in each cell how far the caller reaches.
 *
 * Each gRPC method, HTTP route and page names one of these actions; nothing else decides what a caller may do. A caller with
 * several roles has the farthest reach of them. `own` means the caller's own jobs, or for a VM its own leases; `vo` means
 * what belongs to or concerns the caller's VO.
 */

import type { Identity, UserRole } from '../model/owner.ts'
import type { Reach } from './reach.ts'

export type Role = 'anonymous' | 'vm' | UserRole

export type ActionRow = Readonly<Record<Role, Reach>>

const none: ActionRow = { anonymous: 'none', vm: 'none', user: 'none', operator: 'none', admin: 'none' }
const ownOnly: ActionRow = { ...none, user: 'own', operator: 'own', admin: 'own' }
const steering: ActionRow = { ...none, user: 'own', operator: 'any', admin: 'any' }
const reading: ActionRow = { ...none, user: 'vo', operator: 'any', admin: 'any' }
const everyUser: ActionRow = { ...none, user: 'any', operator: 'any', admin: 'any' }
const operating: ActionRow = { ...none, operator: 'any', admin: 'any' }
const vmItself: ActionRow = { ...none, vm: 'own' }
const anyCaller: ActionRow = { anonymous: 'any', vm: 'any', user: 'any', operator: 'any', admin: 'any' }

export const actions = {
  'job.submit': ownOnly,
  'job.list': reading,
  'job.read': reading,
  'job.watch': reading,
  // What a payload printed may be private: the other members of the VO do not read it.
  'job.output': steering,
  // Arguments and environment may be private as well.
  'job.spec': steering,
  // Files that the caller's own jobs may name.
  'sandbox.put': ownOnly,
  'job.kill': steering,
  'job.hold': steering,
  'job.release': steering,
  'job.reschedule': steering,
  'job.delete': steering,
  'job.prioritise': steering,
  'task-queue.list': reading,
  'status.read': reading,
  // Of VMs, facts and plans a user sees what concerns the own VO.
  'facts.read': reading,
  // A VM that served several VOs is of none: what it cost beside its attempts is for operators.
  'usage.read': reading,
  'vm.list': reading,
  'vm.read': reading,
  'vm.drain': operating,
  'cloud.list': reading,
  // A user sees the tree of the own VO.
  'share.list': reading,
  'share.set': operating,
  'image.list': everyUser,
  'image.add': operating,
  'image.approve': operating,
  'image.disapprove': operating,
  'image.revoke': operating,
  'token.create': { ...none, admin: 'any' },
  // The dashboard as such: a session in it, and requests with a token.
  'dashboard.use': everyUser,
  // A machine without a credential exchanges its activation key for one.
  'vm.activate': { ...none, anonymous: 'own' },
  'vm.session': vmItself,
  'vm.heartbeat': vmItself,
  'vm.output': vmItself,
  'vm.input': vmItself,
  // Whether this process can work, the sign-in form, and the files that pages consist of: they say nothing of the
  // installation.
  'health.read': anyCaller,
  'dashboard.sign-in': anyCaller,
  'asset.read': anyCaller,
  // What machines fetch before they have a credential; each checks the digest that its context names.
  'agent-file.read': anyCaller,
  'site-proxies.read': anyCaller,
} as const satisfies Readonly<Record<string, ActionRow>>

export type Action = keyof typeof actions

const fromNear: readonly Reach[] = ['none', 'own', 'vo', 'any']

/** `identity` undefined: a caller without a credential. */
export function reachOf(action: Action, identity: Identity | undefined): Reach {
  const row: ActionRow = actions[action]
  if (!identity) return row.anonymous
  if (identity.kind === 'vm') return row.vm
  return identity.roles.reduce<Reach>(
    (reach, role) => (fromNear.indexOf(row[role]) > fromNear.indexOf(reach) ? row[role] : reach),
    'none',
  )
}
