/** The routes that need no credential and are served by plain HTTP servers, each with its action. */

import { type Action, reachOf } from '../../../core/access/actions.ts'
import { assert } from '../../../core/kernel/assert.ts'

export const publicActions = {
  'GET /health': 'health.read',
  'GET /agents/:digest': 'agent-file.read',
  'GET /sites/:name/proxies': 'site-proxies.read',
} as const satisfies Readonly<Record<string, Action>>

/** A server without credentials serves only what the permission table opens to every caller. */
export function demandPublic(...routes: readonly (keyof typeof publicActions)[]): void {
  for (const route of routes) assert(reachOf(publicActions[route], undefined) === 'any', `${route} is open to every caller`)
}
