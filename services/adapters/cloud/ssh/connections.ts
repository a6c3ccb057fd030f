/**
 * Connections to the hosts of a cloud: one use at a time per host, over a connection that is kept for a while. Writes the
 * hosts' keys to the notes; does not know what a connection is used for.
 *
 * A host's key is kept when we are let in for the first time, before anything is done there. The operator's word for a key
 * stands above what was kept, and is kept in its place. A use ends within its time; what then still runs loses its
 * connection.
 */

import { type Clock, sleep, type Timer } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { HostNotes, NotesByHost } from './host-notes.ts'
import type { SshCloudOptions, SshHost } from './options.ts'
import { type OpenSession, openSession, type Session } from './session.ts'

/** A host as we know it: of the configuration, or one that has left it with a claim of ours. */
export type KnownHost = Pick<SshHost, 'address' | 'port' | 'hostKey'> & { readonly name: string }

export type ConnectionOptions = Pick<SshCloudOptions, 'name' | 'clock' | 'log' | 'login'>

export type Connections = {
  use<T>(
    host: KnownHost,
    noted: NotesByHost,
    withinMs: number,
    doing: string,
    run: (session: Session) => Promise<T>,
  ): Promise<T>
  close(): void
}

/** A login costs a host more than a look; the next look of the director comes sooner. */
const idleMs = 60_000

export function openConnections({ name: cloud, clock, log, login }: ConnectionOptions, notes: HostNotes): Connections {
  const inTurn = openTurns(clock)
  const kept = new Map<string, { readonly session: OpenSession; readonly idle: Timer }>()

  /** The one of the last call, where it is still good; its key is what is kept by then. */
  async function sessionOf(host: KnownHost, noted: NotesByHost, withinMs: number): Promise<OpenSession> {
    const before = kept.get(host.name)
    before?.idle.cancel()
    kept.delete(host.name)
    const keptKey = noted.get(host.name)?.hostKey
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
      await notes
        .change(host.name, (note) => ({ ...note, hostKey: session.hostKey }))
        .catch((error: unknown) => {
          session.close('its key could not be kept')
          throw error
        })
      log.info({ cloud, host: host.name, hostKey: session.hostKey, instead: keptKey }, 'the key of a host is kept')
    }
    return session
  }

  function use<T>(
    host: KnownHost,
    noted: NotesByHost,
    withinMs: number,
    doing: string,
    run: (session: Session) => Promise<T>,
  ): Promise<T> {
    const words = `${doing} ${host.name} of ${cloud}`
    return inTurn(host.name, withinMs, words, async (leftMs) => {
      const sinceMs = clock.monotonicMs()
      const session = await sessionOf(host, noted, leftMs)
      const late = (): void => session.close(`no answer within ${Math.round(withinMs)} ms`)
      const timer = clock.after(Math.max(0, leftMs - (clock.monotonicMs() - sinceMs)), late)
      try {
        return await run(session)
      } finally {
        timer.cancel()
        const idle = clock.after(idleMs, () => session.close('it was not used any more'))
        kept.set(host.name, { session, idle })
      }
    })
  }

  return {
    use,
    close() {
      for (const { session, idle } of kept.values()) {
        idle.cancel()
        session.close('the driver is closed')
      }
      kept.clear()
    },
  }
}

type InTurn = <T>(host: string, withinMs: number, doing: string, run: (leftMs: number) => Promise<T>) => Promise<T>

/** One call at a time per host; the wait for its turn counts against the call's own time. */
function openTurns(clock: Clock): InTurn {
  const turns = new Map<string, Promise<unknown>>()

  return (host, withinMs, doing, run) => {
    const before = turns.get(host) ?? Promise.resolve()
    const turn = waitFor(before, clock, withinMs, doing).then(run)
    // Nothing of what came before is held on to.
    turns.set(
      host,
      Promise.allSettled([before, turn]).then(() => undefined),
    )
    return turn
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
