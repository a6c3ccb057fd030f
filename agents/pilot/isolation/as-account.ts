/**
 * Work that the pilot has done by a payload's own account, because it touches what that account owns: ending processes,
 * removing files, measuring. So a path that a stranger has made can lead nowhere that the stranger could not go anyway.
 */

import { execFile } from 'node:child_process'

export type Ran = {
  /** 0 and no signal: it ended well. */
  readonly isGood: boolean
  readonly stdout: string
  /** Ended by a signal: what runs under the same account may do that. */
  readonly isKilled: boolean
}

const maxOutputBytes = 4 * 1024 * 1024
export const setprivPath = '/usr/bin/setpriv'
/** What every step before the launcher may know. */
export const plainEnvironment = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' }

/** Becomes the account, with no power left and none to be gained, and ends when its parent ends. */
export function becoming(uid: number): readonly string[] {
  const who = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
  const powers = ['--inh-caps=-all', '--ambient-caps=-all', '--no-new-privs', '--pdeathsig=KILL']
  // Only root may: with no_new_privs what is left in the bounding set is of no use to anyone.
  const bounds = process.getuid?.() === 0 ? ['--bounding-set=-all'] : []
  return [setprivPath, ...who, ...powers, ...bounds, '--']
}

/** `uid` absent: as the pilot itself. The script is POSIX shell and gets `args` as $1, $2, ... Never rejects. */
export function runScript(
  uid: number | undefined,
  script: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<Ran> {
  const [file = '', ...rest] = [...(uid === undefined ? [] : becoming(uid)), '/bin/sh', '-c', script, 'sh', ...args]
  const options = {
    cwd: '/',
    env: plainEnvironment,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: maxOutputBytes,
  } as const
  return new Promise((resolve) => {
    execFile(file, rest, options, (error, stdout) => {
      resolve({ isGood: error === null, stdout, isKilled: error !== null && typeof error.signal === 'string' })
    })
  })
}
