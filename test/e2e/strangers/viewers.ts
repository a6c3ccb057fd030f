/**
 * Honest viewers of the dashboard: a page again and again at a fixed pace, with a session, over one connection that stays. A
 * page's time is counted from when it was due. They look from before a flood until after it, and are judged by when each
 * page was due.
 */

import { Agent } from 'node:http'
import { type Clock, sleep } from '../../../core/kernel/clock.ts'
import { percentile } from '../scenario.ts'
import { asked, signIn } from './http-client.ts'

/** A page refreshes itself every 2 s; ten times that, so that a flood of 15 s has pages enough for a p99. */
const everyMs = 100

type Page = { readonly dueMs: number; readonly tookMs: number; readonly status: number }

export type Viewer = {
  readonly name: string
  /** p99 of what was due between two moments, and what was no page. */
  between(fromMs: number, toMs: number): { readonly p99Ms: number; readonly pages: number; readonly failed: number }
  stop(): Promise<void>
}

/** Throws where the sign-in is refused. */
export async function openViewer(
  clock: Clock,
  server: string,
  { name, token, localAddress }: { readonly name: string; readonly token: string; readonly localAddress: string },
): Promise<Viewer> {
  const agent = new Agent({ keepAlive: true, maxSockets: 4, localAddress })
  const { status, cookie } = await signIn(server, token, { agent })
  if (status !== 303) throw new Error(`${name} was not signed in: ${status}`)
  const pages: Page[] = []
  const over = new AbortController()

  async function look(): Promise<void> {
    const underWay = new Set<Promise<void>>()
    while (!over.signal.aborted) {
      const dueMs = clock.nowMs()
      const page = asked(server, { path: '/vms', agent, headers: { cookie } }).then((answer) => {
        pages.push({ dueMs, tookMs: clock.nowMs() - dueMs, status: answer.status })
      })
      underWay.add(page)
      page.finally(() => underWay.delete(page))
      await sleep(clock, everyMs, over.signal)
    }
    await Promise.all(underWay)
  }

  const looking = look()
  return {
    name,
    between(fromMs, toMs) {
      const seen = pages.filter(({ dueMs }) => dueMs >= fromMs && dueMs < toMs)
      const good = seen.filter(({ status: one }) => one === 200)
      const p99Ms = percentile(
        good.map(({ tookMs }) => tookMs),
        0.99,
      )
      return { p99Ms, pages: good.length, failed: seen.length - good.length }
    },
    async stop() {
      over.abort()
      await looking
      agent.destroy()
    },
  }
}
