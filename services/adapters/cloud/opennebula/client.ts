/**
 * Calls of OpenNebula under one session, each within a deadline. Repeats nothing and knows no method.
 *
 * A session is user and password, or user and login token, and goes with every call, inside of its body: it is in no error,
 * also where a server echoes it. Where no answer comes, or none that can be read, the outcome is unknown: `cloud-transient`.
 */

import type { Clock } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import { cloudCallMs } from '../../../../core/kernel/limits.ts'
import { deadline, type Deadline } from '../kit/deadline.ts'
import { openHttp } from '../kit/http.ts'
import { type Asking, errorFor } from './errors.ts'
import { type Answer, callText, type Parameter, readAnswer } from './rpc.ts'
import { type Node, parseXml, splitXml } from './xml.ts'

export type ClientOptions = {
  readonly endpoint: string
  readonly user: string
  /** Or a login token. */
  readonly password: string
  readonly caPem?: string
  readonly clock: Clock
  /** Less than `cloudCallMs`: in tests. */
  readonly callMs?: number
}

export type Client = {
  /** For one call of the port, however many of ours it takes. */
  deadline(): Deadline
  /** Throws `cloud-transient` where the outcome is unknown. */
  ask(method: string, parameters: readonly Parameter[], doing: string, deadline: Deadline): Promise<Answer>
  /** The value, or the error as ours. */
  value(
    method: string,
    parameters: readonly Parameter[],
    about: { readonly doing: string; readonly asking: Asking; readonly deadline: Deadline },
  ): Promise<string>
  close(): Promise<void>
}

export function openClient({ endpoint, user, password, caPem, clock, callMs = cloudCallMs }: ClientOptions): Client {
  const http = openHttp({ caPem })
  const withoutSecret = (text: string): string => (password === '' ? text : text.replaceAll(password, '***'))

  async function ask(method: string, parameters: readonly Parameter[], doing: string, until: Deadline): Promise<Answer> {
    const leftMs = until.leftMs(`${doing}: ${method}`)
    const body = callText(method, [`${user}:${password}`, ...parameters])
    // A string is sent with its length; the server takes nothing in chunks.
    const request = { method: 'POST', url: endpoint, headers: { 'content-type': 'text/xml; charset=utf-8' }, body } as const
    const { status, text } = await http.send(request, doing, leftMs)
    if (status !== 200) return { ok: false, failure: { kind: 'http', code: status, message: `no answer of ${method}` } }
    const answer = readable(() => readAnswer(text), doing)
    if (answer.ok) return answer
    return { ok: false, failure: { ...answer.failure, message: withoutSecret(answer.failure.message) } }
  }

  return {
    deadline: () => deadline(clock, callMs),
    ask,
    async value(method, parameters, { doing, asking, deadline: until }) {
      const answer = await ask(method, parameters, doing, until)
      if (!answer.ok) throw errorFor(answer.failure, doing, asking)
      return answer.value
    },
    close: () => http.close(),
  }
}

/** The document that a value is. */
export function documentOf(value: string, root: string, doing: string): Node {
  return readable(() => parseXml(value, root), doing)
}

/** The elements of one name in the document that a value is, a few of them at a time: others may go on in between. */
export async function elementsOf(
  value: string,
  { root, name }: { readonly root: string; readonly name: string },
  clock: Clock,
  doing: string,
): Promise<readonly Node[]> {
  const texts = readable(() => splitXml(value, root, name), doing)
  const found: Node[] = []
  for (let at = 0; at < texts.length; at += elementsAtOnce) {
    if (at > 0) await new Promise<void>((resolve) => clock.soon(resolve))
    for (const text of texts.slice(at, at + elementsAtOnce)) found.push(documentOf(text, name, doing))
  }
  return found
}

/** Some milliseconds of work. */
const elementsAtOnce = 20

function readable<T>(read: () => T, doing: string): T {
  try {
    return read()
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : 'unknown'
    throw new PilotageError('cloud-transient', `${doing}: the answer cannot be read: ${reason}`, { cause: thrown })
  }
}
