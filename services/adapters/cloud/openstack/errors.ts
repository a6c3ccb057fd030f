/**
 * What OpenStack's refusals mean for the port: the one place where statuses become codes.
 *
 * The services word their errors differently and change the words; a status decides wherever it can, and words only where
 * one status stands for several things (a 403 for a full quota and for a forbidden call). What is not known for sure is
 * `cloud-transient`. The cloud's own words are kept, shortened, without the secrets that it may quote back.
 */

import { type ErrorCode, PilotageError } from '../../../../core/kernel/errors.ts'
import type { WaitFailure } from '../../../../core/model/proof.ts'

export type Answered = {
  readonly status: number
  readonly text: string
  readonly headers: { get(name: string): string | null }
}

const maxTextLength = 300

const quotaWords = /quota|overlimit|limit (?:is )?exceeded|maximum number of ports/i
/** Of Nova's conductor: each host that it tried has refused. */
const retryWords = /exceeded max(?:imum number of|_) ?(?:scheduling_)?(?:retries|attempts)|exhausted all hosts/i
/** Of a role that is missing, whatever is ordered. */
const policyWords = /policy/i
const capacityWords = /no valid host|no more (?:fixed )?ip|no more ip addresses|insufficient|not enough (?:hosts|resources)/i

/**
 * `secrets`: what must not be quoted. `isOrder`: the request concerns one order, and so may its refusal: a conflict is then
 * no passing state, and what is forbidden is not the whole credential.
 */
export function failureOf(answer: Answered, doing: string, secrets: readonly string[], isOrder = false): PilotageError {
  const words = wordsOf(answer.text, secrets)
  const text = words === '' ? `${doing}: status ${answer.status}` : `${doing}: status ${answer.status}: ${words}`
  const retryAfterMs = retryAfter(answer)
  return new PilotageError(codeOf(answer.status, words, isOrder), text, retryAfterMs === undefined ? {} : { retryAfterMs })
}

function codeOf(status: number, words: string, isOrder: boolean): ErrorCode {
  switch (status) {
    case 401:
      return 'cloud-auth'
    // Older Novas say 413 where newer ones say 403; Neutron says 409.
    case 403:
    case 413:
      if (quotaWords.test(words)) return 'cloud-quota'
      if (status === 413) return 'cloud-transient'
      return isOrder && !policyWords.test(words) ? 'cloud-refused' : 'cloud-auth'
    case 409:
      if (quotaWords.test(words)) return 'cloud-quota'
      if (capacityWords.test(words)) return 'cloud-capacity'
      return isOrder ? 'cloud-refused' : 'cloud-transient'
    case 400:
      return capacityWords.test(words) ? 'cloud-capacity' : 'cloud-refused'
    case 404:
    case 405:
    case 406:
    case 410:
    case 415:
    case 422:
      return 'cloud-refused'
    // Also 408, 429, every 5xx and every redirect: it is not known what was done.
    default:
      return 'cloud-transient'
  }
}

/** What the fault of a machine that failed says is to blame besides its image; undefined: nothing. */
export function faultFailure(words: string): WaitFailure | undefined {
  if (quotaWords.test(words)) return 'quota'
  return capacityWords.test(words) || retryWords.test(words) ? 'capacity' : undefined
}

/** Keystone did not let us in. What is no such answer is a wrong address, for which a new credential is as good a remedy. */
export function loginFailureOf(answer: Answered, doing: string, secrets: readonly string[]): PilotageError {
  const { code, message, retryAfterMs } = failureOf(answer, doing, secrets)
  return new PilotageError(code === 'cloud-transient' ? code : 'cloud-auth', message, { retryAfterMs })
}

/** An answer that is none of this API: a proxy's page, half a document. */
export function oddAnswer(doing: string, what: string): PilotageError {
  return new PilotageError('cloud-transient', `${doing}: ${what}`)
}

/** The message of an error document, whatever the service wraps it in; of what is no such document, nothing. */
export function wordsOf(text: string, secrets: readonly string[]): string {
  let words = messageIn(text)
  for (const secret of secrets) if (secret.length > 3) words = words.replaceAll(secret, '(not shown)')
  return bounded(words)
}

/** One line of at most some hundred letters. */
export function bounded(words: string): string {
  const line = [...words.replaceAll(/\s+/g, ' ').trim()]
  return line.length <= maxTextLength ? line.join('') : `${line.slice(0, maxTextLength - 3).join('')}...`
}

/**
 * Nova: {"badRequest": {"message"}}, Neutron: {"NeutronError": {"message"}}, Keystone: {"error": {"message"}}, others flat.
 */
function messageIn(text: string): string {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    // Glance answers with a page.
    return text.length > 10_000 ? '' : text.replaceAll(/<(?:title|head)>[\s\S]*<\/(?:title|head)>|<[^>]*>/g, ' ')
  }
  if (typeof body !== 'object' || body === null) return ''
  for (const part of [body, ...Object.values(body)]) {
    const message: unknown = typeof part === 'object' && part !== null ? (part as { message?: unknown }).message : undefined
    if (typeof message === 'string') return message
  }
  return ''
}

function retryAfter({ headers }: Answered): number | undefined {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 3600) * 1000 : undefined
}
