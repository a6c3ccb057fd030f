/**
 * What an attack has reached: pure, over what was seen.
 *
 * Canaries in its text, code of its own that ran with powers or in a place that a payload does not have, litter that the
 * next payload of its account found, processes that were heard of or seen after its end. What a kind may let through by
 * design is named in expected.ts, not here.
 */

import type { Reach } from './attack.ts'
import { canariesIn } from './canaries.ts'

/** How a payload of this VM runs, by the control attack's own words; code of an attack must run in the same way. */
export type Normal = { readonly uid: string; readonly caps: string; readonly pidNamespace: string }

export type Seen = {
  readonly text: string
  /** The canary that the attack itself was given: it may print that. */
  readonly ownCanary: string
  /** The uids that payloads may have here; empty: any. */
  readonly payloadUids: readonly number[]
  /** The PID namespace of the pilot, where payloads have namespaces of their own; undefined: they share the pilot's. */
  readonly pilotNamespace: string | undefined
  /** Names of processes that carried the marker after the end. */
  readonly left: readonly string[]
  /** Datagrams went on coming after the end. */
  readonly isHeard: boolean
  readonly next: string
  /** Whatever the next payload finds is of its predecessor: false where all payloads share one account and one /tmp. */
  readonly isNextAlone: boolean
  readonly marker: string
  readonly deaths: readonly string[]
  readonly rootFilesBefore: string
  readonly rootFilesAfter: string
}

export function judge(seen: Seen): readonly Reach[] {
  const { text, ownCanary } = seen
  const secrets = [...canariesIn(text)].filter(([canary]) => canary !== ownCanary)
  return [
    ...secrets.map(([canary, name]) => ({ what: name, evidence: canary })),
    ...strangeRuns(seen),
    ...seen.left.map((command) => ({ what: 'left running', evidence: command })),
    ...(seen.isHeard ? [{ what: 'left running', evidence: 'it goes on speaking after its end' }] : []),
    ...litter(seen),
    ...seen.deaths.map((who) => ({ what: `${who} ended`, evidence: who })),
    ...(seen.rootFilesBefore === seen.rootFilesAfter
      ? []
      : [{ what: 'root-files', evidence: difference(seen.rootFilesBefore, seen.rootFilesAfter) }]),
  ]
}

/** The lines `RAN uid=... caps=... pidns=...` of code that an attack got to run somewhere. */
const ran = /RAN uid=(\d+) caps=([0-9a-f]+) pidns=(\S*)/g

function strangeRuns({ text, payloadUids, pilotNamespace }: Seen): readonly Reach[] {
  const found = new Map<string, Reach>()
  for (const [line, uid, caps = '', namespace] of text.matchAll(ran)) {
    const isForeign = payloadUids.length > 0 && !payloadUids.includes(Number(uid))
    // Inside of namespaces of its own a process may have every capability over nothing.
    const hasPower = pilotNamespace === undefined && /[^0]/.test(caps) && payloadUids.length > 0
    const isOutside = pilotNamespace !== undefined && namespace === pilotNamespace
    if (isForeign || hasPower || isOutside) found.set(line, { what: 'code outside', evidence: line })
  }
  return [...found.values()].slice(0, 3)
}

function litter({ next, marker, isNextAlone }: Seen): readonly Reach[] {
  const isLitter = (line: string): boolean => line.includes(marker) || (isNextAlone && line.startsWith('LITTER '))
  const lines = next.split('\n').filter(isLitter)
  return [...new Set(lines)].slice(0, 5).map((line) => ({ what: 'litter', evidence: line.slice(0, 200) }))
}

function difference(before: string, after: string): string {
  const now = new Set(after.split('\n'))
  const gone = before.split('\n').filter((line) => !now.has(line))
  return `${gone.length} entries are gone or changed: ${gone.slice(0, 3).join(', ')}`
}
