/** The permission table, written down a second time: a cell that was changed by mistake fails here. */

import { expect, it } from 'vitest'
import { type Action, actions, type ActionRow, reachOf, type Role } from '../../../core/access/actions.ts'
import { methodActions } from '../../../services/api/grpc/authorization.ts'
import { publicActions } from '../../../services/api/http/public-actions.ts'
import { routeActions } from '../../../services/dashboard/routes.ts'

const roles: readonly Role[] = ['anonymous', 'vm', 'user', 'operator', 'admin']

/** Anonymous, VM, user, operator, admin. */
const cells: Readonly<Record<Action, string>> = {
  'job.submit': 'none none own own own',
  'job.list': 'none none vo any any',
  'job.read': 'none none vo any any',
  'job.watch': 'none none vo any any',
  'job.output': 'none none own any any',
  'job.spec': 'none none own any any',
  'job.kill': 'none none own any any',
  'job.hold': 'none none own any any',
  'job.release': 'none none own any any',
  'job.reschedule': 'none none own any any',
  'sandbox.put': 'none none own own own',
  'job.delete': 'none none own any any',
  'job.prioritise': 'none none own any any',
  'task-queue.list': 'none none vo any any',
  'status.read': 'none none vo any any',
  'facts.read': 'none none vo any any',
  'usage.read': 'none none vo any any',
  'vm.list': 'none none vo any any',
  'vm.read': 'none none vo any any',
  'vm.drain': 'none none none any any',
  'cloud.list': 'none none vo any any',
  'share.list': 'none none vo any any',
  'share.set': 'none none none any any',
  'image.list': 'none none any any any',
  'image.add': 'none none none any any',
  'image.approve': 'none none none any any',
  'image.disapprove': 'none none none any any',
  'image.revoke': 'none none none any any',
  'token.create': 'none none none none any',
  'dashboard.use': 'none none any any any',
  'vm.activate': 'own none none none none',
  'vm.session': 'none own none none none',
  'vm.heartbeat': 'none own none none none',
  'vm.output': 'none own none none none',
  'vm.input': 'none own none none none',
  'health.read': 'any any any any any',
  'dashboard.sign-in': 'any any any any any',
  'asset.read': 'any any any any any',
  'agent-file.read': 'any any any any any',
  'site-proxies.read': 'any any any any any',
}

it('lets each kind of caller reach as far as is written here', () => {
  const found = Object.entries<ActionRow>(actions).map(([action, row]) => [action, roles.map((role) => row[role]).join(' ')])
  expect(Object.fromEntries(found)).toEqual(cells)
})

it('has no action that no method, route or page names', () => {
  const named = [...Object.values(methodActions), ...Object.values(routeActions).flat(), ...Object.values(publicActions)]
  const bySignIn = ['dashboard.use']
  expect([...new Set<string>([...named, ...bySignIn])].sort()).toEqual(Object.keys(actions).sort())
})

it('gives a caller with several roles the farthest reach, and one with none nothing', () => {
  const owner = { vo: 'lhcb', group: 'users', owner: 'ada' }
  expect(reachOf('job.kill', { kind: 'user', owner, roles: ['user', 'operator'] })).toBe('any')
  expect(reachOf('job.kill', { kind: 'user', owner, roles: ['operator', 'user'] })).toBe('any')
  expect(reachOf('job.list', { kind: 'user', owner, roles: [] })).toBe('none')
})
