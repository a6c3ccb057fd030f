/**
 * Whether the cloud has announced a spot interruption of this machine. EC2 announces it two minutes before, at the metadata
 * address; reading it needs a token. Advice to move elsewhere (`rebalance`) is not an interruption.
 *
 * Decides nothing; policy.ts asks for a drain. What stays true: every request is bounded in time and size, an announcement
 * is never withdrawn, and an address that does not answer is logged once and asked again.
 */

import { request } from 'node:http'
import type { Clock } from '../../core/kernel/clock.ts'
import type { AgentConfig } from '../../core/model/agent-config.ts'
import { type Say, sayOnce } from '../kit/console.ts'

const everyMs = 5000
const withinMs = 2000
const answerBytes = 4096
/** The longest that EC2 gives. It is asked for anew when it is refused. */
const tokenSeconds = 21_600

export type InterruptionWatch = { isAnnounced(): boolean; stop(): void }

export function watchInterruption(
  { metadataUrl }: NonNullable<AgentConfig['interruption']>,
  clock: Clock,
  say: Say,
): InterruptionWatch {
  const outage = sayOnce(say)
  let token = ''
  let isAnnounced = false
  let isOver = false
  let timer: { cancel(): void } | undefined

  const look = async (): Promise<void> => {
    try {
      const notice = await noticeOf()
      outage.clear()
      if (notice !== undefined && !isAnnounced) {
        isAnnounced = true
        say(`the cloud announces a spot interruption: ${notice}`)
      }
    } catch (error) {
      outage.say(`cannot read whether a spot interruption is announced: ${error instanceof Error ? error.message : error}`)
    }
    if (!isOver && !isAnnounced) timer = clock.after(everyMs, () => void look())
  }

  async function noticeOf(): Promise<string | undefined> {
    if (token === '') {
      const headers = { 'x-aws-ec2-metadata-token-ttl-seconds': String(tokenSeconds) }
      const answer = await ask(clock, 'PUT', `${metadataUrl}/latest/api/token`, headers)
      if (answer.status !== 200) throw new Error(`no token: ${answer.status}`)
      token = answer.text.trim()
    }
    const headers = { 'x-aws-ec2-metadata-token': token }
    const { status, text } = await ask(clock, 'GET', `${metadataUrl}/latest/meta-data/spot/instance-action`, headers)
    // Nothing is planned.
    if (status === 404) return undefined
    if (status === 401) token = ''
    if (status !== 200) throw new Error(`answered ${status}`)
    return text.trim()
  }

  void look()
  return {
    isAnnounced: () => isAnnounced,
    stop() {
      isOver = true
      timer?.cancel()
    },
  }
}

type Answer = { readonly status: number; readonly text: string }

function ask(clock: Clock, method: 'GET' | 'PUT', url: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // No agent: a connection that is kept is one that may be broken.
    const call = request(url, { method, headers: { ...headers, 'content-length': '0' }, agent: false })
    const fail = (error: Error): void => {
      timer.cancel()
      call.destroy()
      reject(error)
    }
    const timer = clock.after(withinMs, () => fail(new Error('no answer')))
    call.on('error', fail)
    call.on('response', (response) => {
      let text = ''
      response.on('data', (piece: Buffer) => {
        text += piece.toString()
        if (text.length > answerBytes) fail(new Error('the answer has no end'))
      })
      response.on('error', fail)
      response.on('end', () => {
        timer.cancel()
        resolve({ status: response.statusCode ?? 0, text })
      })
    })
    call.end()
  })
}
