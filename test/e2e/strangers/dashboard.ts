/**
 * The dashboard: bad sign-ins over every connection that an address gets, connections that are held with half a head,
 * requests sent without waiting, and one user's sessions, event streams and pages. All of it at once.
 *
 * Another viewer, and the administrator at the strangers' own address, keep their sessions, and a p99 within twice that of a
 * viewer of the quiet service in the same seconds; and a first sign-in with a valid token at that address succeeds in the
 * middle of it.
 */

import { readFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { sleep } from '../../../core/kernel/clock.ts'
import { strangerLimits, viewerLimits } from '../../../services/dashboard/limits.ts'
import { promised } from '../scenario.ts'
import type { Attack, Flood, Ground } from './flood.ts'
import { asked, signIn } from './http-client.ts'
import { openViewer, type Viewer } from './viewers.ts'

const strangersAddress = '127.0.0.1'
const holdersAddresses = ['127.0.0.3', '127.0.0.4', '127.0.0.5', '127.0.0.6', '127.0.0.7']
const signInsAtOnce = 60
const holdEveryMs = 2
const pipelined = 'GET /sign-in HTTP/1.1\r\nHost: here\r\n\r\n'.repeat(500)
/** As main.ts: what a shared machine of two cores adds to any one page. */
const p99FloorMs = 25
const p99Ratio = 2
/** The longest turn of a stranger, and as much again. */
const signInMs = 10_000
/** The flood is under way. */
const signInAfterMs = 5000

type Given = { readonly greedy: string }
type Watch = {
  readonly viewers: readonly Viewer[]
  readonly quiet: Viewer
  readonly signedInMs: Promise<number>
  readonly over: AbortController
}

/** From `prepare` to `judge` of one flood: both run in the scenario's process. */
const watches = new Map<Ground, Watch>()

export const dashboard: Flood<Given> = {
  name: 'dashboard',
  about: "bad sign-ins, held connections, and one user's sessions, streams and pages, at the dashboard",
  async prepare(ground) {
    const { stage, dashboard: server, dataDir } = ground
    const adminToken = readFileSync(join(dataDir, 'admin.token'), 'utf8').trim()
    const another = { name: 'another viewer', token: await ground.tokenOf('vera', 'biomed'), localAddress: '127.0.0.2' }
    const admin = { name: 'the administrator', token: adminToken, localAddress: strangersAddress }
    const viewers = [await openViewer(stage.clock, server, another), await openViewer(stage.clock, server, admin)]
    const elsewhere = { name: 'a viewer of the quiet service', token: ground.quiet.token, localAddress: '127.0.0.2' }
    const quiet = await openViewer(stage.clock, ground.quiet.dashboard, elsewhere)
    const over = new AbortController()
    watches.set(ground, { viewers, quiet, signedInMs: signedInMidFlood(ground, over.signal), over })
    return { greedy: await ground.tokenOf('greedy') }
  },
  run: flood,
  async judge(ground, figures) {
    const { fromMs, toMs } = figures
    const watch = watches.get(ground)
    if (!watch) return ['no viewer watched']
    watch.over.abort()
    await Promise.all([...watch.viewers, watch.quiet].map((viewer) => viewer.stop()))
    const tookMs = await watch.signedInMs
    return [
      ...watch.viewers.flatMap((viewer) => shortfallsOf(ground, watch.quiet, viewer, Number(fromMs), Number(toMs))),
      ...beyondLimits(figures),
      ...promised(tookMs <= signInMs, `a first sign-in at the strangers' address took ${tookMs} ms, more than ${signInMs}`),
    ]
  },
}

/**
 * What the flood got answered, however fast this machine is: the limits, and a tenth for the flood's first and last moments.
 */
function beyondLimits(figures: Readonly<Record<string, number | string>>): readonly string[] {
  const seconds = (Number(figures.toMs) - Number(figures.fromMs)) / 1000
  const maxOf = ({ burst, perSecond }: { burst: number; perSecond: number }): number => burst + 1.1 * perSecond * seconds
  return [
    ...promised(Number(figures.badSignIns) <= maxOf(strangerLimits), `${figures.badSignIns} bad sign-ins were answered`),
    ...promised(Number(figures.sessions) <= maxOf(strangerLimits), `one user signed in ${figures.sessions} times`),
    ...promised(Number(figures.pages) <= maxOf(viewerLimits), `one user got ${figures.pages} pages`),
  ]
}

function shortfallsOf({ stage }: Ground, quiet: Viewer, viewer: Viewer, fromMs: number, toMs: number): readonly string[] {
  const other = quiet.between(fromMs, toMs)
  const during = viewer.between(fromMs, toMs)
  const ratio = Math.round((during.p99Ms / Math.max(other.p99Ms, p99FloorMs)) * 100) / 100
  stage.say(`dashboard: ${viewer.name}: ${during.pages} pages p99 ${during.p99Ms} ms (quiet ${other.p99Ms})`)
  return [
    ...promised(during.pages >= 50, `${viewer.name} saw only ${during.pages} pages`),
    ...promised(during.failed === 0, `${during.failed} pages of ${viewer.name} failed during the flood`),
    ...promised(
      ratio <= p99Ratio,
      `the p99 of ${viewer.name} was ${during.p99Ms} ms, ${ratio} times that of a service that is not flooded`,
    ),
  ]
}

/**
 * How long the first sign-in of a valid token takes once strangers' sign-ins have begun to wait; infinite: it was refused.
 */
async function signedInMidFlood(ground: Ground, signal: AbortSignal): Promise<number> {
  const { stage, dashboard: server } = ground
  const { clock } = stage
  const newcomer = await ground.tokenOf('newcomer', 'biomed')
  // Strangers wait as soon as a bad token does: that is how the flood is seen from here.
  const isFlooded = async (): Promise<boolean> => {
    const beginMs = clock.monotonicMs()
    await signIn(server, 'bad', { localAddress: strangersAddress })
    return clock.monotonicMs() - beginMs > 100
  }
  while (!signal.aborted && !(await isFlooded())) await sleep(clock, 1000, signal)
  await sleep(clock, signInAfterMs, signal)
  const beginMs = clock.monotonicMs()
  const { status } = await signIn(server, newcomer, { localAddress: strangersAddress })
  const tookMs = Math.round(clock.monotonicMs() - beginMs)
  stage.say(`dashboard: a first sign-in in the middle of the flood: ${status} after ${tookMs} ms`)
  return status === 303 ? tookMs : Number.POSITIVE_INFINITY
}

async function flood(attack: Attack, { greedy }: Given): Promise<Readonly<Record<string, number>>> {
  const { clock, dashboard: server, signal } = attack
  const fromMs = clock.nowMs()
  const counts = { badSignIns: 0, sessions: 0, streams: 0, pages: 0, refused: 0, connections: 0 }
  const again = async (work: () => Promise<void>): Promise<void> => {
    while (!signal.aborted) await work()
  }
  const strangers = new Agent({ keepAlive: true, localAddress: strangersAddress })
  const users = new Agent({ keepAlive: true, localAddress: '127.0.0.8' })
  const authorization = `Bearer ${greedy}`
  const works = [
    ...Array.from({ length: signInsAtOnce }, () =>
      again(async () => {
        const { status } = await signIn(server, `bad.${attack.random.letters(40)}`, { agent: strangers })
        if (status === 401) counts.badSignIns += 1
      }),
    ),
    ...Array.from({ length: 8 }, () =>
      again(async () => {
        const { status } = await signIn(server, greedy, { agent: users })
        if (status === 303) counts.sessions += 1
      }),
    ),
    ...Array.from({ length: 16 }, () =>
      again(async () => {
        const { status } = await asked(server, { path: '/api/queues', agent: users, headers: { authorization } })
        counts[status === 200 ? 'pages' : 'refused'] += 1
      }),
    ),
    openStreams(attack, authorization, counts),
    holdConnections(attack, counts),
  ]
  await Promise.race([Promise.all(works), sleep(clock, 600_000, signal)])
  const toMs = clock.nowMs()
  for (const agent of [strangers, users]) agent.destroy()
  return { ...counts, fromMs, toMs }
}

/** As many event streams as it gets: those that are refused are asked for again. */
async function openStreams(attack: Attack, authorization: string, counts: { streams: number }): Promise<void> {
  const { clock, dashboard: server, signal } = attack
  const open = async (): Promise<void> => {
    const answer = await fetch(`${server}/api/events`, { headers: { authorization }, signal }).catch(() => undefined)
    if (answer?.status === 200) counts.streams += 1
    // An answer that is not read to its end keeps its connection.
    if (answer?.status !== 200) await answer?.text().catch(() => '')
  }
  while (!signal.aborted) {
    await Promise.all(Array.from({ length: 20 }, open))
    await sleep(clock, 500, signal)
  }
}

/**
 * Connections from several addresses: half a head and then silence, or hundreds of requests without waiting for an answer.
 */
async function holdConnections(attack: Attack, counts: { connections: number }): Promise<void> {
  const { clock, dashboard: server, signal } = attack
  const { port, hostname } = new URL(server)
  const sockets: Socket[] = []
  for (let at = 0; !signal.aborted; at += 1) {
    const localAddress = holdersAddresses[at % holdersAddresses.length]
    const socket = connect({ port: Number(port), host: hostname, localAddress })
    socket.on('error', () => {})
    socket.on('connect', () => {
      counts.connections += 1
      socket.write(at % 100 === 0 ? pipelined : 'GET /sign-in HTTP/1.1\r\nHost: he')
    })
    sockets.push(socket)
    // Ours, not the service's: what it has ended is not to be kept.
    if (sockets.length > 4000) sockets.shift()?.destroy()
    await sleep(clock, holdEveryMs, signal)
  }
  for (const socket of sockets) socket.destroy()
}
