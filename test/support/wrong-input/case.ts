/** A case of wrong input: what is done, and the refusal that must come of it. */

import { status } from '@grpc/grpc-js'
import { PilotageError, type Violation } from '../../../core/kernel/errors.ts'
import type { Answer, CallOptions, Method } from '../raw-call.ts'
import type { World } from './world.ts'

/** What came back, however it was asked. `accepted` as a code: nothing was refused. */
export type Refusal = { readonly code: string; readonly text: string; readonly violations: readonly Violation[] }

export type Case = {
  readonly name: string
  /** Takes seconds: left out of the quick test. */
  readonly slow?: boolean
  readonly attempt: (world: World) => Promise<Refusal>
  readonly code: string
  readonly text: RegExp
  /** `path: rule` of each violation, where the case names any. */
  readonly violations?: readonly string[]
  /** The one kind of fact that it may add, because operators must hear of it. */
  readonly emits?: string
}

export function refusalOf({ code, details, error }: Answer): Refusal {
  if (error) return { code: error.code, text: error.text, violations: error.violations }
  return { code: code === status.OK ? 'accepted' : `grpc ${status[code]}`, text: details, violations: [] }
}

/** A call of some caller, whose refusal is the answer. */
export async function refused<Request, Response>(
  { raw }: World,
  method: Method<Request, Response>,
  requests: readonly Request[],
  options: CallOptions,
): Promise<Refusal> {
  return refusalOf(await raw.call(method, requests, options))
}

/** Something of the client library that must throw. */
export async function thrown(doing: () => unknown): Promise<Refusal> {
  try {
    await doing()
  } catch (error) {
    if (error instanceof PilotageError) return { code: error.code, text: error.message, violations: error.violations }
    return { code: 'untyped', text: String(error), violations: [] }
  }
  return { code: 'accepted', text: '', violations: [] }
}

/** Everything in which the refusal is not the one that was promised; none: it is. */
export function differences({ code, text, violations }: Case, found: Refusal): readonly string[] {
  const rules = found.violations.map(({ path, rule }) => `${path}: ${rule}`)
  const incomplete = found.violations.filter(({ path, rule, accepted }) => path === '' || rule === '' || accepted === '')
  return [
    ...(found.code === code ? [] : [`code ${found.code}, not ${code}`]),
    ...(text.test(found.text) ? [] : [`text ${JSON.stringify(found.text.slice(0, 200))}, not ${text}`]),
    ...(violations === undefined || rules.join() === violations.join()
      ? []
      : [`violations ${rules.join(', ').slice(0, 1000)}`]),
    ...(incomplete.length === 0 ? [] : [`${incomplete.length} violations do not say where, why or what would do`]),
  ]
}
