/**
 * The accounts that payloads run under, where the machine has some: each payload one of its own, so that none can read what
 * the agents keep, or what another payload has.
 *
 * The pilot's own account may change to these and to no other power: an account is entered with every capability dropped and
 * none to be had again. What stays true: an account is one payload's until nothing of that payload is left.
 */

import { chownSync, lstatSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { PayloadAccounts } from '../../core/context.ts'

export type Account = {
  readonly uid: number
  /** Put before the payload's own arguments: becomes the account, then the payload. */
  readonly prefix: readonly string[]
  /** What the payload may write is its own. */
  own(path: string): void
}

export type Accounts = {
  /** Undefined where none is free. */
  take(key: string): Account | undefined
  /** Also removes what it has left in places that everybody may write to. */
  release(key: string): void
}

const sharedPlaces = ['/tmp', '/var/tmp', '/dev/shm']

export function openAccounts({ firstUid, count }: PayloadAccounts, places: readonly string[] = sharedPlaces): Accounts {
  const free = Array.from({ length: count }, (_, at) => firstUid + at)
  const taken = new Map<string, number>()
  return {
    take(key) {
      const uid = free.shift()
      if (uid === undefined) return undefined
      taken.set(key, uid)
      return { uid, prefix: prefixFor(uid), own: (path) => chownSync(path, uid, uid) }
    },
    release(key) {
      const uid = taken.get(key)
      if (uid === undefined) return
      taken.delete(key)
      for (const place of places) tidy(place, uid)
      free.push(uid)
    },
  }
}

function prefixFor(uid: number): readonly string[] {
  const who = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
  const powers = ['--inh-caps=-all', '--ambient-caps=-all', '--no-new-privs']
  return ['/usr/bin/setpriv', ...who, ...powers, '--']
}

/** Entries that go meanwhile, or that are not ours to remove, are nobody's business. */
function tidy(place: string, uid: number): void {
  for (const name of attempt(() => readdirSync(place)) ?? []) {
    const path = join(place, name)
    if (attempt(() => lstatSync(path).uid) === uid) attempt(() => rmSync(path, { recursive: true, force: true }))
  }
}

function attempt<T>(act: () => T): T | undefined {
  try {
    return act()
  } catch {
    return undefined
  }
}
