/**
 * The weights of the share tree: those of the configuration, and over them what operators have set since.
 *
 * What was set is one small versioned document in the store. It is changed from the version that was read, with a fact that
 * says who and why, so that no change of another operator is lost. Each process reads it anew every few seconds.
 */

import type { Caller } from '../../core/access/caller.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import { isName } from '../../core/kernel/text.ts'
import { newFact } from '../../core/model/fact-shapes.ts'
import type { FactStore } from '../../core/ports/store.ts'
import {
  isWeight,
  maxWeights,
  type ShareWeight,
  shareKey,
  type SharePath,
  weightBounds,
  type Weights,
  weightsOf,
} from '../../core/share/weights.ts'

export const sharesNote = 'shares'

type SharesDocument = { readonly version: number; readonly weights: readonly ShareWeight[] }

export type ShareWeights = {
  /** As read last. */
  now(): Weights
  /** Counts the changes that operators made; 0: none. */
  version(): number
  /** Reads what operators have set. */
  read(): Promise<void>
}

const none: SharesDocument = { version: 0, weights: [] }

export function shareWeights(store: Pick<FactStore, 'note'>, configured: readonly ShareWeight[]): ShareWeights {
  let text: string | undefined
  let document = none
  let current = weightsOf(configured)
  return {
    now: () => current,
    version: () => document.version,
    async read() {
      const found = await store.note(sharesNote)
      if (found === text) return
      text = found
      document = parsed(found)
      current = weightsOf([...configured, ...document.weights])
    },
  }
}

export type SetSharePorts = {
  readonly store: Pick<FactStore, 'note' | 'changeNote'>
  readonly clock: Clock
  readonly weights: ShareWeights
}

export type SetShare = {
  readonly path: SharePath
  /** Undefined: as configured again. */
  readonly weight: number | undefined
  /** One line; empty: none. */
  readonly reason: string
}

/** Operators at the same node: each tries again on what the other has written. */
const maxTries = 20

/**
 * Answers the version that holds it. Durable when it resolves; every process goes by it within `shareTickMs`. Throws
 * `invalid-argument`, `too-large`, or `conflict` where others change the document all the time.
 */
export async function setShare(
  { store, clock, weights }: SetSharePorts,
  { owner: { owner: by } }: Caller,
  { path, weight, reason }: SetShare,
): Promise<{ readonly version: number; readonly changed: boolean }> {
  check(path, weight)
  for (let attempt = 0; attempt < maxTries; attempt += 1) {
    const was = await store.note(sharesNote)
    const { version, weights: before } = parsed(was)
    const key = shareKey(path)
    const known = before.find((one) => shareKey(one.path) === key)?.weight
    if (known === weight) return { version, changed: false }
    const others = before.filter((one) => shareKey(one.path) !== key)
    const after = weight === undefined ? others : [...others, { path, weight }]
    if (after.length > maxWeights) {
      throw new PilotageError('too-large', `${after.length} weights: at most ${maxWeights} are set at run time`)
    }
    const text = JSON.stringify({ version: version + 1, weights: after } satisfies SharesDocument)
    const [vo, group = '', owner = ''] = path
    const data = { vo, group, owner, version: version + 1, by, ...(weight === undefined ? {} : { weight }), why: reason }
    const fact = newFact('share', `share:${path.join('/')}`, weight === undefined ? 'Weight removed' : 'Weight set', data)
    if (!(await store.changeNote({ name: sharesNote, was, text }, [fact], clock.nowMs()))) continue
    await weights.read()
    return { version: version + 1, changed: true }
  }
  throw new PilotageError('conflict', 'others change the weights of shares at this moment: try again')
}

function check(path: SharePath, weight: number | undefined): void {
  if (!path.every((name) => name !== undefined && isName(name))) {
    const violation = {
      path: 'path',
      value: path.join('/'),
      rule: 'not a node',
      accepted: 'VO, VO and group, or VO, group and owner',
    }
    throw new PilotageError('invalid-argument', 'no node of the share tree', { violations: [violation] })
  }
  if (weight === undefined || isWeight(weight)) return
  const accepted = `${weightBounds.min} to ${weightBounds.max}`
  const violation = { path: 'weight', value: String(weight), rule: 'out of range', accepted }
  throw new PilotageError('invalid-argument', `a weight is ${accepted}`, { violations: [violation] })
}

function parsed(text: string | undefined): SharesDocument {
  return text === undefined ? none : (JSON.parse(text) as SharesDocument)
}
