/**
 * The JSON routes under /api: what the pages show, for scripts. Signed in by a session or by a bearer's token; every answer
 * is bounded, every refusal is { code, message, violations }.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import { jsonText } from '../../core/kernel/text.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Authenticator } from './authenticator.ts'
import { eventStream, type EventStream } from './event-stream.ts'
import type { FactFeed } from './fact-feed.ts'
import type { FairPlaces } from './fair-places.ts'
import type { Hearing } from '../access/hearing.ts'
import { imageView } from '../views/image.ts'
import { streamLimits } from './limits.ts'
import * as parameters from './parameters.ts'
import type { Readings } from './readings.ts'
import { asRefused, refusalOf } from './refusals.ts'
import { addRoute, viewerOn } from './routes.ts'
import { viewerKey } from './viewer.ts'
import { cloudsView } from '../views/cloud.ts'
import { explanationView } from '../views/explanation.ts'
import { factView, submittedView } from '../views/fact.ts'
import { jobView } from '../views/job.ts'
import { specView } from '../views/spec.ts'
import { vmView } from '../views/vm.ts'

export type JsonOptions = {
  readonly authenticator: Authenticator
  readonly readings: Readings
  readonly feed: FactFeed
  readonly hearing: Hearing
  readonly clock: Clock
  readonly log: Log
  readonly version: string
  readonly startedMs: number
  /** The streams that are open, per viewer. */
  readonly streams: FairPlaces<StreamPlace>
}

/** What holds a stream's place, and ends it. */
export type StreamPlace = { end(): void }

export function jsonRoutes(scope: FastifyInstance, options: JsonOptions): void {
  const { authenticator, readings, log, clock, version, startedMs } = options
  scope.addHook('onRequest', async (request) => {
    request.setDecorator('user', await authenticator.byHeaderOrSession(request))
  })
  // A script may print what it gets to a terminal.
  scope.setReplySerializer((payload) => jsonText(payload))
  scope.setErrorHandler((thrown, request, reply) => {
    const error = asRefused(thrown, request)
    if (error.code === 'internal') log.error({ err: error, url: request.url }, 'a request to the dashboard failed')
    return sendRefusal(reply, error)
  })
  scope.setNotFoundHandler((_, reply) => sendRefusal(reply, new PilotageError('not-found', 'there is no such route')))

  addRoute(scope, 'GET /api/status', { schema: { querystring: none } }, async (request) => ({
    ...(await readings.status(viewerOn(request))),
    serviceTimeMs: clock.nowMs(),
    version,
    startedMs,
  }))
  addRoute<{ Querystring: parameters.LimitQuery }>(
    scope,
    'GET /api/queues',
    { schema: { querystring: parameters.limitQuery } },
    async (request) => {
      const { total, queues } = await readings.queues(viewerOn(request), request.query.limit)
      return { total, queues }
    },
  )
  addRoute(scope, 'GET /api/clouds', { schema: { querystring: none } }, async (request) =>
    cloudsView(await readings.clouds(viewerOn(request))),
  )
  addRoute(scope, 'GET /api/images', { schema: { querystring: none } }, async () => ({
    images: (await readings.images()).map(imageView),
  }))
  addRoute<{ Querystring: parameters.FactsQuery }>(
    scope,
    'GET /api/facts',
    { schema: { querystring: parameters.factsQuery } },
    async (request) => {
      const { facts, lastSeq } = await readings.facts(viewerOn(request), request.query.after, request.query.limit)
      return { facts: facts.map(factView), lastSeq }
    },
  )
  vmRoutes(scope, options)
  jobRoutes(scope, options)
  addRoute<{ Querystring: parameters.EventsQuery }>(
    scope,
    'GET /api/events',
    { schema: { querystring: parameters.eventsQuery }, exposeHeadRoute: false },
    (request, reply) => openStream(request, reply, options),
  )
}

const none = { type: 'object', additionalProperties: false, properties: {} } as const

function vmRoutes(scope: FastifyInstance, { readings }: JsonOptions): void {
  addRoute<{ Querystring: parameters.VmsQuery }>(
    scope,
    'GET /api/vms',
    { schema: { querystring: parameters.vmsQuery } },
    async (request) => {
      const { ended, limit } = request.query
      if (ended) return { vms: (await readings.endedVms(viewerOn(request), limit)).map((vm) => vmView(vm)) }
      const live = await readings.liveVms(viewerOn(request))
      return { total: live.length, vms: live.slice(0, limit).map((kept) => vmView(kept.vm, kept)) }
    },
  )
  addRoute<{ Params: parameters.VmIdParams }>(
    scope,
    'GET /api/vms/:id',
    { schema: { params: parameters.vmIdParams } },
    async (request) => {
      const { kept, facts, jobs, hiddenJobs } = await readings.vm(viewerOn(request), request.params.id)
      return { vm: vmView(kept.vm, kept), history: facts.map(factView), jobs: jobs.map((job) => jobView(job)), hiddenJobs }
    },
  )
}

function jobRoutes(scope: FastifyInstance, { readings }: JsonOptions): void {
  addRoute<{ Querystring: parameters.JobsQuery }>(
    scope,
    'GET /api/jobs',
    { schema: { querystring: parameters.jobsQuery } },
    async (request) => {
      const { state, vo, owner, before, limit } = request.query
      const filter = {
        states: state ? [state] : undefined,
        vo: vo || undefined,
        owner: owner || undefined,
        after: before === undefined ? undefined : { id: before as JobId, changedMs: 0 },
        limit,
      }
      const { jobs, more } = await readings.jobs(viewerOn(request), filter)
      return { jobs: jobs.map((job) => jobView(job)), nextBefore: more?.id ?? null }
    },
  )
  addRoute<{ Params: parameters.JobIdParams }>(
    scope,
    'GET /api/jobs/:id',
    { schema: { params: parameters.jobIdParams } },
    async (request) => {
      const { job, spec, facts, explained } = await readings.job(viewerOn(request), request.params.id)
      const history = [submittedView(job), ...facts.map(factView)]
      return { job: jobView(job), requirements: spec?.requirements ?? null, history, explain: explanationView(explained) }
    },
  )
  addRoute<{ Params: parameters.JobIdParams }>(
    scope,
    'GET /api/jobs/:id/spec',
    { schema: { params: parameters.jobIdParams } },
    async (request) => specView(await readings.spec(viewerOn(request), request.params.id)),
  )
}

function openStream(
  request: FastifyRequest<{ Querystring: parameters.EventsQuery }>,
  reply: FastifyReply,
  { authenticator, feed, hearing, clock, streams }: JsonOptions,
): void {
  const viewer = viewerOn(request)
  const owner = viewerKey(viewer)
  let stream: EventStream | undefined
  const place: StreamPlace = { end: () => stream?.end() }
  const taken = streams.take(owner, place)
  if (!taken.ok) {
    const text =
      taken.why === 'own'
        ? `${streams.count(owner)} event streams of yours are open already, at most ${streamLimits.perOwner}`
        : `${streams.size()} event streams are open already`
    throw new PilotageError('overloaded', text, { retryAfterMs: 10_000 })
  }
  taken.ousted?.end()
  const seen = lastEventId(request)
  reply.hijack()
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) reply.raw.setHeader(name, value)
  reply.raw.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' })
  const opened = eventStream({
    response: reply.raw,
    clock,
    hearing,
    viewer,
    after: seen ?? request.query.after,
    stillSignedIn: () =>
      authenticator.byHeaderOrSession(request).then(
        () => true,
        () => false,
      ),
    onEnd() {
      feed.listeners.delete(opened)
      streams.free(owner, place)
    },
  })
  stream = opened
  feed.listeners.add(opened)
  feed.wake()
}

/** A browser that comes back says what it had; what is no number of ours is as good as nothing. */
function lastEventId(request: FastifyRequest): number | undefined {
  const header = request.headers['last-event-id']
  const seq = typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : undefined
  return seq
}

function sendRefusal(reply: FastifyReply, error: PilotageError): FastifyReply {
  const { status, retryAfter, body } = refusalOf(error)
  if (retryAfter > 0) reply.header('retry-after', retryAfter)
  return reply.code(status).send(body)
}
