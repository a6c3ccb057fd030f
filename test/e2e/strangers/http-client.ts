/**
 * HTTP by hand for floods of the dashboard and for its honest viewers: from an address of one's own, one answer at a time.
 */

import { type Agent, request } from 'node:http'

export type Asked = {
  readonly method?: 'GET' | 'POST'
  readonly path: string
  readonly agent?: Agent
  /** Where the connection comes from: any of 127.0.0.0/8. */
  readonly localAddress?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** status 0: there was no answer. `cookie`: name and value. */
export type Answered = { readonly status: number; readonly cookie: string }

const answerMs = 30_000
const form = { 'content-type': 'application/x-www-form-urlencoded' }

export function asked(server: string, { method = 'GET', path, headers, body, ...how }: Asked): Promise<Answered> {
  return new Promise((resolve) => {
    const all = { method, timeout: answerMs, headers: { ...(body ? form : {}), ...headers }, ...how }
    const sent = request(new URL(path, server), all)
    sent.on('timeout', () => sent.destroy())
    sent.on('error', () => resolve({ status: 0, cookie: '' }))
    sent.on('response', (answer) => {
      const cookie = answer.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
      answer.on('error', () => resolve({ status: 0, cookie }))
      answer.resume().on('end', () => resolve({ status: answer.statusCode ?? 0, cookie }))
    })
    sent.end(body)
  })
}

export function signIn(server: string, token: string, how: Pick<Asked, 'agent' | 'localAddress'> = {}): Promise<Answered> {
  return asked(server, { method: 'POST', path: '/sign-in', body: `token=${encodeURIComponent(token)}`, ...how })
}
