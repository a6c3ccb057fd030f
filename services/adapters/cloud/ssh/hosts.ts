/**
 * The hosts of a cloud, each met one call at a time: looked at, claimed and started, given back. Keeps the book of their keys,
 * and a connection to each for a while; which VM goes to which host is decided elsewhere.
 *
 * A host's key is kept when we are let in for the first time, before anything is done there. The operator's word for a key
 * stands above what was kept, and is kept in its place.
 */

import { createHash } from 'node:crypto'
import { type Clock, sleep, type Timer } from '../../../../core/clock.ts'
import { PilotageError } from '../../../../core/errors.ts'
import { isVmId, type VmId } from '../../../../core/ids.ts'
import type { CloudVm } from '../../../../core/ports/cloud.ts'
import type { Book, Pages } from './book.ts'
import type { SshCloudOptions, SshHost } from './options.ts'
import { consoleScript, lookScript, releaseScript, startScript } from './scripts.ts'
import { type OpenSession, openSession, type Ran, type Session } from './session.ts'

/** A host as we know it: of the configuration, or one that has left it with a claim of ours. */
export type KnownHost = Pick<SshHost, 'address' | 'port' | 'hostKey'> & { readonly name: string }

/** What a look at a host tells. */
export type Sight =
  | { readonly kind: 'free' }
  | {
      readonly kind: 'claimed'
      readonly mark: string
      readonly vmId: string
      readonly createdMs: number
      readonly power: CloudVm['power']
      readonly detail: string
    }

/** A host as a look at it has shown it; an error where it is not reached. */
export type Seen = { readonly host: KnownHost; readonly sight: Sight | PilotageError }

export type Hosts = {
  look(host: KnownHost, pages: Pages, withinMs: number): Promise<Sight>
  /** `taken`: by somebody else, who was quicker. */
  start(host: KnownHost, pages: Pages, vmId: VmId, script: string, withinMs: number): Promise<'started' | 'taken'>
  release(host: KnownHost, pages: Pages, vmId: VmId, withinMs: number): Promise<'gone' | 'going'>
  console(host: KnownHost, pages: Pages, vmId: VmId, withinMs: number): Promise<string>
  close(): void
}

export function hostName({ address, port }: Pick<SshHost, 'address' | 'port'>): string {
  return `${address}:${port}`
}

/** The reverse of it. */
export function hostOf(name: string): KnownHost {
  const at = name.lastIndexOf(':')
  return { name, address: name.slice(0, at), port: Number(name.slice(at + 1)) }
}

/** A login costs a host more than a look; the next look of the director comes sooner. */
const idleMs = 60_000

type Options = Pick<SshCloudOptions, 'name' | 'installation' | 'clock' | 'log' | 'login'>

export function openHosts(options: Options, book: Book): Hosts {
  const { name: cloud, installation, clock, log, login } = options
  const turns = new Map<string, Promise<unknown>>()

  /** One at a time for each host; whoever waits for its turn waits within its own time. */
  function inTurn<T>(host: string, withinMs: number, doing: string, run: (leftMs: number) => Promise<T>): Promise<T> {
    const before = turns.get(host) ?? Promise.resolve()
    const turn = waitFor(before, clock, withinMs, doing).then(run)
    const settled = Promise.allSettled([before, turn])
    turns.set(host, settled)
    return turn
  }

  const kept = new Map<string, { readonly session: OpenSession; readonly idle: Timer }>()

  /** The one of the last call, where it is still good; its key is what is kept by then. */
  async function sessionOf(host: KnownHost, pages: Pages, withinMs: number): Promise<OpenSession> {
    const before = kept.get(host.name)
    before?.idle.cancel()
    kept.delete(host.name)
    const keptKey = pages.get(host.name)?.hostKey
    const { address, port, hostKey = keptKey } = host
    if (before?.session.isOpen() && before.session.hostKey === hostKey) return before.session
    before?.session.close('it is not good any more')
    const session = await openSession({
      clock,
      login,
      address,
      port,
      hostKey,
      withinMs,
      doing: `reaching ${host.name} of ${cloud}`,
    })
    if (session.hostKey !== keptKey) {
      await book
        .change(host.name, (note) => ({ ...note, hostKey: session.hostKey }))
        .catch((error: unknown) => {
          session.close('its key could not be kept')
          throw error
        })
      log.info({ cloud, host: host.name, hostKey: session.hostKey, instead: keptKey }, 'the key of a host is kept')
    }
    return session
  }

  function meet<T>(
    host: KnownHost,
    pages: Pages,
    withinMs: number,
    doing: string,
    use: (session: Session) => Promise<T>,
  ): Promise<T> {
    const words = `${doing} ${host.name} of ${cloud}`
    return inTurn(host.name, withinMs, words, async (leftMs) => {
      const sinceMs = clock.monotonicMs()
      const session = await sessionOf(host, pages, leftMs)
      const late = (): void => session.close(`no answer within ${Math.round(withinMs)} ms`)
      const timer = clock.after(Math.max(0, leftMs - (clock.monotonicMs() - sinceMs)), late)
      try {
        return await use(session)
      } finally {
        timer.cancel()
        const idle = clock.after(idleMs, () => session.close('it was not used any more'))
        kept.set(host.name, { session, idle })
      }
    })
  }

  return {
    look: (host, pages, withinMs) =>
      meet(host, pages, withinMs, 'looking at', async ({ run }) => sightOf(checked(await run(lookScript, []), host))),

    start: (host, pages, vmId, script, withinMs) =>
      meet(host, pages, withinMs, 'starting', async ({ run }) => {
        const digest = createHash('sha256').update(script).digest('hex')
        const size = Buffer.byteLength(script)
        const words = [installation, vmId, String(clock.nowMs()), String(size), digest]
        const said = checked(await run(startScript, words, script), host)
        if (said !== 'started' && said !== 'taken') throw odd(host, said)
        return said
      }),

    release: (host, pages, vmId, withinMs) =>
      meet(host, pages, withinMs, 'giving back', async ({ run }) => {
        const said = checked(await run(releaseScript, [installation, vmId]), host)
        if (said === 'gone') return 'gone'
        log.warn({ cloud, host: host.name, vmId, said }, 'a host cannot be given back yet')
        return 'going'
      }),

    console: (host, pages, vmId, withinMs) =>
      meet(host, pages, withinMs, 'reading the console of', async ({ run }) => {
        const { code, output, errors } = await run(consoleScript, [installation, vmId])
        if (code !== 0) throw odd(host, errors)
        return output
      }),

    close() {
      for (const { session, idle } of kept.values()) {
        idle.cancel()
        session.close('the driver is closed')
      }
      kept.clear()
    },
  }
}

async function waitFor(before: Promise<unknown>, clock: Clock, withinMs: number, doing: string): Promise<number> {
  const sinceMs = clock.monotonicMs()
  const tired = new AbortController()
  const won = await Promise.race([before.then(() => 'free' as const), sleep(clock, withinMs, tired.signal)])
  tired.abort()
  const leftMs = withinMs - (clock.monotonicMs() - sinceMs)
  if (won === 'free' && leftMs > 0) return leftMs
  throw new PilotageError('cloud-transient', `${doing}: it is busy with another call of ours`)
}

function checked({ code, output, errors }: Ran, host: KnownHost): string {
  if (code === 0) return output.trim()
  throw odd(host, `${errors || 'a script failed'} (${code})`)
}

function odd(host: KnownHost, what: string): PilotageError {
  return new PilotageError('cloud-transient', `${host.name}: ${what.slice(0, 300)}`)
}

/**
 *   claimed, and  waiting               building   nothing was delivered yet
 *                 working               building   the script runs
 *                 failed CODE WORDS     error
 *                 monitor active        running    also while systemd starts or stops it
 *                 monitor (any other)   stopped
 */
function sightOf(text: string): Sight {
  const [first = '', second = ''] = text.split('\n')
  if (first === 'free') return { kind: 'free' }
  const [word, mark = '', vmId = '', made = ''] = first.split(' ')
  if (word !== 'claim') throw new PilotageError('cloud-transient', `a host says ${text.slice(0, 100)}`)
  const tell = (power: CloudVm['power'], detail = ''): Sight => {
    return { kind: 'claimed', mark, vmId, createdMs: Number(made) || 0, power, detail }
  }
  const [state = '', ...rest] = second.split(' ')
  switch (state) {
    case 'waiting':
    case 'working':
      return tell('building')
    case 'failed':
      return tell('error', `the script ended with ${rest[0]}: ${rest.slice(1).join(' ')}`)
    case 'monitor':
      return monitored(rest[0] ?? '')
    default:
      throw new PilotageError('cloud-transient', `a host says ${text.slice(0, 100)}`)
  }

  function monitored(word: string): Sight {
    if (/^(?:active|activating|deactivating|reloading)$/.test(word)) return tell('running')
    // Where systemd itself does not answer, nothing is known.
    if (word === '') throw new PilotageError('cloud-transient', 'a host does not say whether the monitor runs')
    return tell('stopped', `the monitor is ${word}`)
  }
}

export function isOurs(sight: Sight, installation: string): sight is Extract<Sight, { kind: 'claimed' }> & { vmId: VmId } {
  return sight.kind === 'claimed' && sight.mark === installation && isVmId(sight.vmId)
}
