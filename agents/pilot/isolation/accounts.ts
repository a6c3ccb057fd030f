/**
 * The accounts that payloads run under, where the machine has some: each payload one of its own.
 *
 * The pilot's own account may change to these and to no other power. What stays true: an account goes to the next payload
 * only when nothing of the one before is left, no process and no file; an account with anything left is retired for the life
 * of this pilot.
 */

import { readdirSync, readFileSync } from 'node:fs'
import type { PayloadAccounts } from '../../../core/model/agent-config.ts'
import { runScript } from './as-account.ts'
import { keyctl } from './launcher.ts'

export type Accounts = {
  /** Undefined where none is free. */
  take(key: string): number | undefined
  /** Ends every process of the account. Resolves with how many did not end. Repeating it is harmless. */
  end(key: string): Promise<number>
  /**
   * Removes what the payload left in places that every account may write to, and frees the account or retires it.
   * `kept`: why its own directory is still there; empty: it is not.
   */
  release(key: string, kept: string): Promise<void>
  /** Of a former life of this pilot: ends every process of every account. */
  endAll(): Promise<void>
  /** Those that are not retired, free or taken. */
  left(): number
  /** A line for each, with the reason. */
  retired(): readonly string[]
}

export const sharedPlaces = ['/tmp', '/var/tmp', '/dev/shm', '/dev/mqueue', '/run/lock']

const scriptMs = 30_000
const whyLength = 200
/** A payload may kill the script that ends it, since both have one account: each try needs one system call to succeed. */
const maxTries = 200

/**
 * kill(-1) reaches every process of the account but the caller at once, and no fork escapes it. They need a moment to end.
 */
const endScript = 'kill -KILL -1 2>/dev/null; sleep 0.01'

/** Each program in it runs for every payload that ends: one walk serves all places. */
const litterScript = [
  'uid=$1; shift',
  'for place in "$@"; do shift; [ ! -d "$place" ] || set -- "$@" "$place"; done',
  'if [ $# -gt 0 ]; then',
  '  find "$@" -xdev -mindepth 1 -type d -user "$uid" ! -perm -700 -execdir chmod u+rwx {} +',
  '  find "$@" -xdev -mindepth 1 -type d -user "$uid" ! -perm -700 -execdir chmod u+rwx {} \\;',
  '  find "$@" -xdev -depth -mindepth 1 -user "$uid" -delete',
  'fi 2>/dev/null',
  'awk -v uid="$uid" \'FNR == 1 { for (at = 1; at <= NF; at++) if ($at == "uid") column = at; next } $column == uid { print FILENAME, $2 }\' \\',
  '  /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg 2>/dev/null | while read -r file id; do',
  '  case $file in *shm) flag=-m ;; *sem) flag=-s ;; *) flag=-q ;; esac',
  '  ipcrm $flag "$id"',
  'done 2>/dev/null',
  // KEYCTL_CLEAR of the account's user keyring and of its default session keyring.
  ...(keyctl === undefined ? [] : [`perl -e 'syscall(${keyctl}, 7, $_) for -4, -5' 2>/dev/null`]),
  '[ $# -eq 0 ] || find "$@" -xdev -mindepth 1 -user "$uid" 2>/dev/null | head -n 1',
].join('\n')

export function openAccounts({ firstUid, count }: PayloadAccounts, places: readonly string[] = sharedPlaces): Accounts {
  const free = Array.from({ length: count }, (_, at) => firstUid + at)
  const taken = new Map<string, number>()
  const retired: string[] = []

  return {
    take(key) {
      const uid = free.shift()
      if (uid !== undefined) taken.set(key, uid)
      return uid
    },
    async end(key) {
      const uid = taken.get(key)
      return uid === undefined ? 0 : endProcessesOf(uid)
    },
    async release(key, kept) {
      const uid = taken.get(key)
      if (uid === undefined) return
      const left = await endProcessesOf(uid)
      const swept = await runScript(uid, litterScript, [String(uid), ...places], scriptMs)
      // Only now, and only once: a second call finds it gone.
      if (!taken.delete(key)) return
      const why = [
        ...(kept === '' ? [] : [kept]),
        ...(left === 0 ? [] : [`${left} processes did not end`]),
        ...(swept.isGood ? [] : ['shared folders could not be swept']),
        ...(swept.stdout === '' ? [] : [`left behind: ${swept.stdout.trim().slice(0, whyLength)}`]),
      ]
      if (why.length === 0) free.push(uid)
      else retired.push(`account ${uid}: ${why.join('; ')}`)
    },
    async endAll() {
      await Promise.all(free.map(endProcessesOf))
    },
    left: () => count - retired.length,
    retired: () => retired,
  }
}

/** A look alone proves nothing: of a chain, in which each process starts the next and ends, it finds no member. */
async function endProcessesOf(uid: number): Promise<number> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    const ran = await runScript(uid, endScript, [], scriptMs)
    if (!ran.isKilled && processesOf(uid) === 0) return 0
  }
  return Math.max(1, processesOf(uid))
}

/** By its real, effective or saved number; dead ones that their parent has not collected yet do nothing any more. */
export function processesOf(uid: number): number {
  const owned = new RegExp(`^Uid:(?:\\t\\d+)*\\t${uid}(?:\\t|$)`, 'm')
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false
    try {
      const status = readFileSync(`/proc/${name}/status`, 'latin1')
      return owned.test(status) && !/^State:\t[ZX]/m.test(status)
    } catch {
      return false
    }
  }).length
}
