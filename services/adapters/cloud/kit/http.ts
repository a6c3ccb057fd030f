/**
 * HTTP to a cloud's API: one request, one whole answer of bounded size, within a time. Knows no API and repeats nothing.
 *
 * Whatever keeps an answer from coming is `cloud-transient`: what the cloud has done is unknown. An answer of any status is
 * an answer. Certificates are verified, against the operator's authority where one is given. Nothing of a request is in an
 * error: bodies and headers carry secrets.
 */

import { Agent, fetch } from 'undici'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import { cloudCallMs } from '../../../../core/kernel/limits.ts'

export type HttpRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export type HttpAnswer = { readonly status: number; readonly headers: Headers; readonly text: string }

export type Http = {
  /** `doing`: for the error's text. `withinMs`: where a call of the port consists of several requests. */
  send(request: HttpRequest, doing: string, withinMs?: number): Promise<HttpAnswer>
  close(): Promise<void>
}

export type HttpOptions = {
  /** The authority of the cloud's certificates; absent: the system's. */
  readonly caPem?: string
  readonly maxAnswerBytes?: number
}

/** A page of a thousand servers is some megabytes. */
const answerBytes = 64 * 1024 * 1024
const connections = 16

export function openHttp({ caPem, maxAnswerBytes = answerBytes }: HttpOptions): Http {
  const agent = new Agent({ connections, connect: caPem === undefined ? {} : { ca: caPem } })
  return {
    async send({ method, url, headers = {}, body }, doing, withinMs = cloudCallMs) {
      try {
        const signal = AbortSignal.timeout(withinMs)
        // A cloud that sends us elsewhere would get our credential there.
        const answer = await fetch(url, { method, headers, body, signal, dispatcher: agent, redirect: 'manual' })
        const text = await wholeText(answer.body, maxAnswerBytes)
        return { status: answer.status, headers: answer.headers as unknown as Headers, text }
      } catch (thrown) {
        if (thrown instanceof PilotageError) throw new PilotageError(thrown.code, `${doing}: ${thrown.message}`)
        throw new PilotageError('cloud-transient', `${doing}: no answer (${reasonOf(thrown)})`, { cause: thrown })
      }
    },
    close: () => agent.destroy(),
  }
}

async function wholeText(body: AsyncIterable<Uint8Array> | null, maxBytes: number): Promise<string> {
  const pieces: Uint8Array[] = []
  let size = 0
  for await (const piece of body ?? []) {
    size += piece.length
    if (size > maxBytes) throw new PilotageError('cloud-transient', `the answer has more than ${maxBytes} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

/** Node gives the reason as the code of the error's cause. */
function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown
  if (!(cause instanceof Error)) return 'unknown'
  return (cause as NodeJS.ErrnoException).code ?? cause.name
}
