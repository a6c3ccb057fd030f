/**
 * Every route and page of the dashboard with the actions that it consists of, and the one way to add a route.
 *
 * A route that stands not in the table does not compile, and a route that is added in another way stops the server from
 * being built. What a viewer may do with a route is the least of what its actions allow; the table of actions decides
 * (core/access/actions.ts).
 */

import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  RouteGenericInterface,
  RouteOptions,
} from 'fastify'
import { type Action, actions, type ActionRow } from '../../core/access/actions.ts'
import { type Caller, callerFor } from '../../core/access/caller.ts'
import type { Reach } from '../../core/access/reach.ts'
import { assert } from '../../core/kernel/assert.ts'
import type { User } from '../../core/model/owner.ts'

export const routeActions = {
  'GET /health': ['health.read'],
  'GET /assets/:file': ['asset.read'],
  'GET /sign-in': ['dashboard.sign-in'],
  'POST /sign-in': ['dashboard.sign-in'],
  'POST /sign-out': ['dashboard.sign-in'],
  'GET /': ['status.read', 'cloud.list', 'facts.read'],
  'GET /queues': ['task-queue.list'],
  'GET /vms': ['vm.list'],
  'GET /vms/:id': ['vm.read', 'job.list'],
  'GET /clouds': ['cloud.list', 'image.list'],
  'GET /jobs': ['job.list'],
  'GET /jobs/:id': ['job.read'],
  'GET /jobs/:id/spec': ['job.spec'],
  'GET /api/status': ['status.read'],
  'GET /api/queues': ['task-queue.list'],
  'GET /api/vms': ['vm.list'],
  'GET /api/vms/:id': ['vm.read', 'job.list'],
  'GET /api/clouds': ['cloud.list'],
  'GET /api/images': ['image.list'],
  'GET /api/jobs': ['job.list'],
  'GET /api/jobs/:id': ['job.read'],
  'GET /api/jobs/:id/spec': ['job.spec'],
  'GET /api/facts': ['facts.read'],
  'GET /api/events': ['facts.read'],
} as const satisfies Readonly<Record<string, readonly [Action, ...Action[]]>>

export type Route = keyof typeof routeActions

declare module 'fastify' {
  interface FastifyContextConfig {
    route?: Route
  }
}

/** Fails for a route that names no action. Call it before any route is added. */
export function demandActions(app: FastifyInstance): void {
  app.decorateRequest('user', null)
  app.decorateRequest('viewer', null)
  app.addHook('onRoute', ({ method, url, config }: RouteOptions) => {
    assert(config?.route !== undefined, `${method} ${url} names an action: add it to routeActions`)
  })
}

export type RouteDetails = {
  readonly schema?: FastifySchema
  readonly exposeHeadRoute?: boolean
  /** Where the table's path stands for several. */
  readonly path?: string
}

/** The route's path is the table's, without the prefix of the scope. */
export function addRoute<Shape extends RouteGenericInterface>(
  scope: FastifyInstance,
  route: Route,
  details: RouteDetails,
  handle: (request: FastifyRequest<Shape>, reply: FastifyReply) => unknown,
): void {
  const [method = '', whole = ''] = route.split(' ')
  const { path = whole.slice(scope.prefix.length), ...options } = details
  scope.route({
    ...options,
    method,
    url: path,
    config: { route },
    onRequest: async (request) => {
      if (!isForAll(route)) request.setDecorator('viewer', callerOn(route, request.getDecorator<User | null>('user')))
    },
    // Its schema is what makes the request of this shape.
    handler: async (request, reply) => handle(request as FastifyRequest<Shape>, reply),
  })
}

/** Throws `unauthenticated` and `forbidden`. */
export function callerOn(route: Route, user: User | null): Caller {
  const callers = routeActions[route].map((action) => callerFor(action, user ?? undefined))
  return callers.reduce((nearest, one) => (fromNear.indexOf(one.reach) < fromNear.indexOf(nearest.reach) ? one : nearest))
}

const fromNear: readonly Reach[] = ['own', 'vo', 'any']

function isForAll(route: Route): boolean {
  return routeActions[route].every((action) => {
    const row: ActionRow = actions[action]
    return row.anonymous === 'any'
  })
}

/** The caller whom the route's actions let in. */
export function viewerOn(request: FastifyRequest): Caller {
  return request.getDecorator<Caller>('viewer')
}
