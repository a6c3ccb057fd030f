/**
 * One connection to one host: opened, its key looked at, some scripts run as root, closed. Knows no claim and no cloud.
 *
 * It opens within the time that is given or not at all, also on a host that accepts the connection and falls silent. What
 * goes to a host goes over standard input, never as an argument of a command, which every user there could read. A host
 * whose key is not trusted gets nothing, not even our user name. Errors contain nothing of what was sent.
 */

import { createHash } from 'node:crypto'
import { NodeSSH } from 'node-ssh'
import type { Clock } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import { consoleBytes } from '../../../../core/kernel/limits.ts'
import type { SshLogin } from './options.ts'

export type SessionOrder = {
  readonly clock: Clock
  readonly login: SshLogin
  readonly address: string
  readonly port: number
  /** The key that it must have; absent: any, as of now. */
  readonly hostKey?: string
  readonly withinMs: number
  /** For errors: what we are doing, and with whom. */
  readonly doing: string
}

export type Session = {
  /** The key that it has, as `SHA256:...`. */
  readonly hostKey: string
  /** Runs it as root. Throws `cloud-transient` where no end of it was heard of: nothing is known then. */
  run(script: string, words: readonly string[], input?: string): Promise<Ran>
}

export type OpenSession = Session & {
  isOpen(): boolean
  /** Whatever runs fails with these words. */
  close(why: string): void
}

export type Ran = { readonly code: number; readonly output: string; readonly errors: string }

const maxOutputBytes = 2 * consoleBytes
const errorLength = 300

/** For one use. Throws `cloud-auth` for a wrong key on either side, `cloud-transient` for whatever else. */
export async function withSession<T>(order: SessionOrder, use: (session: Session) => Promise<T>): Promise<T> {
  const session = await openSession(order)
  const timer = order.clock.after(order.withinMs, () => session.close('it takes too long'))
  try {
    return await use(session)
  } finally {
    timer.cancel()
    session.close('it is over')
  }
}

/** Throws as `withSession`. `withinMs` is for the opening; if a script takes too long, the caller closes the session. */
export async function openSession(order: SessionOrder): Promise<OpenSession> {
  const { clock, doing, withinMs } = order
  const ssh = new NodeSSH()
  const lost = Promise.withResolvers<never>()
  // There may be no caller that awaits it at that moment.
  lost.promise.catch(() => undefined)
  let isOpen = true
  const close = (why: string): void => {
    isOpen = false
    lost.reject(new PilotageError('cloud-transient', `${doing}: ${why}`))
    ssh.connection?.destroy()
  }
  const timer = clock.after(withinMs, () => close(`no answer within ${Math.round(withinMs)} ms`))
  try {
    const hostKey = await Promise.race([connect(ssh, order, close), lost.promise])
    const run: Session['run'] = (script, words, input = '') =>
      Promise.race([runOn(ssh, order, close, { script, words, input }), lost.promise])
    return { hostKey, run, close, isOpen: () => isOpen && ssh.isConnected() }
  } catch (error) {
    close('it could not be opened')
    throw error
  } finally {
    timer.cancel()
  }
}

async function connect(ssh: NodeSSH, order: SessionOrder, abort: (why: string) => void): Promise<string> {
  const { login, address, port, withinMs, doing } = order
  let seen = ''
  let isRefused = false
  const connecting = ssh.connect({
    host: address,
    port,
    username: login.user,
    privateKey: login.privateKey,
    readyTimeout: withinMs,
    keepaliveInterval: 10_000,
    keepaliveCountMax: 2,
    hostVerifier: (key: Buffer) => {
      seen = fingerprintOf(key)
      isRefused = order.hostKey !== undefined && seen !== order.hostKey
      return !isRefused
    },
  })
  // From here on and as long as it lives: an error event without a listener would end the process.
  let isOpen = false
  const lose = (why: string): void => (isOpen ? abort(why) : undefined)
  ssh.connection?.on('error', (error) => lose(textOf(error)))
  ssh.connection?.on('close', () => lose('the connection was lost'))
  try {
    await connecting
    isOpen = true
  } catch (cause) {
    if (isRefused) {
      const advice = `if it was installed anew, say hostKey: '${seen}' of it in the configuration`
      throw new PilotageError('cloud-auth', `${doing}: its host key is ${seen}, not ${order.hostKey}; ${advice}`)
    }
    const { level } = cause as { level?: string }
    const isOurs = level === 'client-authentication' || /^Cannot parse privateKey/.test(textOf(cause))
    throw new PilotageError(isOurs ? 'cloud-auth' : 'cloud-transient', `${doing}: ${textOf(cause)}`)
  }
  return seen
}

type Script = { readonly script: string; readonly words: readonly string[]; readonly input: string }

async function runOn(
  ssh: NodeSSH,
  { login, doing }: SessionOrder,
  abort: (why: string) => void,
  { script, words, input }: Script,
): Promise<Ran> {
  const command = ['/bin/sh', '-c', script, 'sh', ...words].map(quoted).join(' ')
  let size = 0
  const count = (piece: Buffer): void => {
    size += piece.length
    if (size > maxOutputBytes) abort(`it says more than ${maxOutputBytes} bytes`)
  }
  const ran = await ssh
    .execCommand(login.sudo ? `sudo -n ${command}` : command, {
      stdin: input,
      onStdout: count,
      onStderr: count,
      noTrim: true,
      // If the host hangs up while we write, the end of the channel reports it.
      onChannel: (channel) => void channel.on('error', () => undefined),
    })
    .catch((cause: unknown) => {
      throw new PilotageError('cloud-transient', `${doing}: ${textOf(cause)}`)
    })
  if (ran.code === null) throw new PilotageError('cloud-transient', `${doing}: the connection was lost`)
  if (login.sudo && ran.code === 1 && /^sudo: /m.test(ran.stderr)) {
    throw new PilotageError('cloud-auth', `${doing}: ${bounded(ran.stderr)}`)
  }
  return { code: ran.code, output: ran.stdout, errors: bounded(ran.stderr) }
}

/** As OpenSSH shows it. */
function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

/** As one word for a POSIX shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function textOf(thrown: unknown): string {
  return bounded(thrown instanceof Error ? thrown.message : String(thrown))
}

function bounded(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, errorLength)
}
