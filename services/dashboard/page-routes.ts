/**
 * The pages: signing in and out, and what a signed-in viewer sees, rendered here and sent whole. A visitor who is not signed
 * in is sent to the sign-in page, and from there back to the page that they asked for.
 */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Caller } from '../../core/access/caller.ts'
import { asPilotageError, PilotageError } from '../../core/kernel/errors.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import type { Log } from '../../core/ports/log.ts'
import type { Assets } from './assets.ts'
import type { Authenticator } from './authenticator.ts'
import { cloudsPage } from './pages/clouds.ts'
import { framed, type Page } from './pages/frame.ts'
import { jobPage } from './pages/job.ts'
import { specPage } from './pages/spec.ts'
import { jobRows, jobsPage } from './pages/jobs.ts'
import { overviewPage } from './pages/overview.ts'
import { queueRows, queuesPage } from './pages/queues.ts'
import { refusedPage, signInPage } from './pages/sign-in.ts'
import { vmPage, vmRows, vmsPage } from './pages/vms.ts'
import * as parameters from './parameters.ts'
import type { Readings } from './readings.ts'
import { asRecord, asRefused, refusalOf } from './refusals.ts'
import { addRoute, viewerOn } from './routes.ts'
import { cloudsView } from '../views/cloud.ts'
import { explanationView } from '../views/explanation.ts'
import { factView, submittedView } from '../views/fact.ts'
import { jobView } from '../views/job.ts'
import { specView } from '../views/spec.ts'
import { vmView } from '../views/vm.ts'

export type PageOptions = {
  readonly authenticator: Authenticator
  readonly readings: Readings
  readonly assets: Assets
  readonly clock: Clock
  readonly log: Log
  readonly version: string
}

/** What the first page shows before its events come. */
const recentFacts = 30
/** The paths of ours that a sign-in may go on to: never another site. */
const ownPath = /^\/(?:queues|vms|clouds|jobs)?(?:(?<=.)\/[a-z0-9-]{1,20})?$/

export function pageRoutes(scope: FastifyInstance, options: PageOptions): void {
  const { authenticator, log } = options
  const show = (reply: FastifyReply, page: Page, viewer: Caller | undefined): FastifyReply =>
    send(reply, page, viewer, options)
  const refuse = (thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const error = asRefused(thrown, request)
    if (error.code === 'internal') log.error({ err: error, url: request.url }, 'a page could not be shown')
    const { status, retryAfter } = refusalOf(error)
    if (retryAfter > 0) reply.header('retry-after', retryAfter)
    return show(reply.code(status), refusedPage(error), viewerOn(request) ?? undefined)
  }
  scope.setErrorHandler(refuse)
  scope.setNotFoundHandler((request, reply) =>
    refuse(new PilotageError('not-found', 'There is no such page.'), request, reply),
  )
  scope.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(String(body))))
  })
  assetRoutes(scope, options.assets)
  signInRoutes(scope, options, show)
  scope.register(async (inner) => {
    inner.addHook('onRequest', async (request, reply) => {
      const viewer = await authenticator.bySession(request)
      if (viewer) return request.setDecorator('user', viewer)
      const path = request.url.split('?')[0] ?? '/'
      return reply.redirect(ownPath.test(path) && path !== '/' ? `/sign-in?to=${encodeURIComponent(path)}` : '/sign-in', 303)
    })
    viewerRoutes(inner, options, show)
  })
}

type Show = (reply: FastifyReply, page: Page, viewer: Caller | undefined) => FastifyReply

function assetRoutes(scope: FastifyInstance, { files }: Assets): void {
  for (const [path, { type, content }] of files) {
    addRoute(scope, 'GET /assets/:file', { path }, (_, reply) =>
      reply.header('cache-control', 'public, max-age=31536000, immutable').type(type).send(content),
    )
  }
}

function signInRoutes(scope: FastifyInstance, { authenticator }: PageOptions, show: Show): void {
  addRoute(scope, 'GET /sign-in', {}, (request, reply) =>
    show(reply, signInPage(goOnTo(asRecord(request.query).to), ''), undefined),
  )
  addRoute(scope, 'POST /sign-in', {}, async (request, reply) => {
    const { token, to } = asRecord(request.body)
    const path = goOnTo(to)
    try {
      const cookie = await authenticator.signIn(typeof token === 'string' ? token.trim() : '')
      return reply.header('set-cookie', cookie).redirect(path, 303)
    } catch (thrown) {
      const error = asPilotageError(thrown, 'signing in')
      if (error.code === 'internal') throw thrown
      return show(reply.code(refusalOf(error).status), signInPage(path, error.message), undefined)
    }
  })
  addRoute(scope, 'POST /sign-out', {}, async (request, reply) =>
    reply.header('set-cookie', authenticator.signOut(request)).redirect('/sign-in', 303),
  )
}

function viewerRoutes(scope: FastifyInstance, { readings, clock }: PageOptions, show: Show): void {
  addRoute(scope, 'GET /', {}, async (request, reply) => {
    const viewer = viewerOn(request)
    const [counts, { clouds }, { facts, lastSeq }] = await Promise.all([
      readings.status(viewer),
      readings.clouds(viewer),
      readings.facts(viewer, -1, recentFacts),
    ])
    return show(reply, overviewPage({ ...counts, clouds, facts: facts.map(factView), lastSeq }, clock.nowMs()), viewer)
  })
  addRoute(scope, 'GET /queues', {}, async (request, reply) => {
    const viewer = viewerOn(request)
    return show(reply, queuesPage(await readings.queues(viewer, queueRows), clock.nowMs()), viewer)
  })
  addRoute<{ Querystring: parameters.VmsPageQuery }>(
    scope,
    'GET /vms',
    { schema: { querystring: parameters.vmsPageQuery } },
    async (request, reply) => {
      const { skip, ended } = request.query
      const page = await (ended === '1' ? endedVms : liveVms)(readings, viewerOn(request), skip)
      return show(reply, vmsPage({ ...page, skip, ended: ended === '1' }, clock.nowMs()), viewerOn(request))
    },
  )
  addRoute<{ Params: parameters.VmIdParams }>(
    scope,
    'GET /vms/:id',
    { schema: { params: parameters.vmIdParams } },
    async (request, reply) => {
      const { kept, facts, jobs, hiddenJobs } = await readings.vm(viewerOn(request), request.params.id)
      const data = {
        vm: vmView(kept.vm, kept),
        facts: facts.map(factView),
        jobs: jobs.map((job) => jobView(job)),
        hiddenJobs,
      }
      return show(reply, vmPage(data, clock.nowMs()), viewerOn(request))
    },
  )
  addRoute(scope, 'GET /clouds', {}, async (request, reply) => {
    const viewer = viewerOn(request)
    return show(reply, cloudsPage(cloudsView(await readings.clouds(viewer)), await readings.images(), clock.nowMs()), viewer)
  })
  jobPages(scope, readings, clock, show)
  specPages(scope, readings, show)
}

function jobPages(scope: FastifyInstance, readings: Readings, clock: Clock, show: Show): void {
  addRoute<{ Querystring: parameters.JobsPageQuery }>(
    scope,
    'GET /jobs',
    { schema: { querystring: parameters.jobsPageQuery } },
    async (request, reply) => {
      const { state = '', vo = '', owner = '', before } = request.query
      const filter = {
        states: state ? [state] : undefined,
        vo: vo || undefined,
        owner: owner || undefined,
        after: before === undefined ? undefined : { id: before as JobId, changedMs: 0 },
        limit: jobRows,
      }
      const { jobs, more } = await readings.jobs(viewerOn(request), filter)
      const data = { jobs: jobs.map((job) => jobView(job)), more: more?.id, filter: { state, vo, owner, before } }
      return show(reply, jobsPage(data, clock.nowMs()), viewerOn(request))
    },
  )
  addRoute<{ Params: parameters.JobIdParams }>(
    scope,
    'GET /jobs/:id',
    { schema: { params: parameters.jobIdParams } },
    async (request, reply) => {
      const { job, spec, facts, explained } = await readings.job(viewerOn(request), request.params.id)
      const story = [submittedView(job), ...facts.map(factView)]
      return show(
        reply,
        jobPage({
          job: jobView(job),
          requirements: spec?.requirements,
          facts: story,
          explanation: explanationView(explained),
        }),
        viewerOn(request),
      )
    },
  )
}

function specPages(scope: FastifyInstance, readings: Readings, show: Show): void {
  addRoute<{ Params: parameters.JobIdParams }>(
    scope,
    'GET /jobs/:id/spec',
    { schema: { params: parameters.jobIdParams } },
    async (request, reply) => {
      const viewer = viewerOn(request)
      const { id } = request.params
      return show(reply, specPage(id, specView(await readings.spec(viewer, id))), viewer)
    },
  )
}

async function liveVms(readings: Readings, viewer: Caller, skip: number) {
  const live = await readings.liveVms(viewer)
  return { vms: live.slice(skip, skip + vmRows).map((kept) => vmView(kept.vm, kept)), total: live.length }
}

/** Asks the store for one VM more than the page shows: if it is there, there are older ones. */
async function endedVms(readings: Readings, viewer: Caller, skip: number) {
  const ended = await readings.endedVms(viewer, skip + vmRows + 1)
  return { vms: ended.slice(skip, skip + vmRows).map((vm) => vmView(vm)), total: ended.length }
}

function send(
  reply: FastifyReply,
  page: Page,
  viewer: Caller | undefined,
  { assets, version, clock }: PageOptions,
): FastifyReply {
  const text = framed(page, { assets: assets.paths, version, nowMs: clock.nowMs(), viewer })
  return reply.type('text/html; charset=utf-8').send(text)
}

function goOnTo(to: unknown): string {
  return typeof to === 'string' && ownPath.test(to) ? to : '/'
}
