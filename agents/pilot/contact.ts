/**
 * Keeps the pilot in contact: one stream at a time, opened again whenever it ends, with a credential read afresh each time.
 *
 * Decides only when and where to try. A stream that does not bring a Welcome in time counts as lost. Of several endpoints
 * one that fails is followed by the next at once; a pause comes when all have failed. A service that comes back after a
 * short outage sees its pilots within about two seconds, after a long outage within five.
 */

import { type Clock, sleep, type Timer } from '../../core/kernel/clock.ts'
import type { AgentConfig } from '../../core/model/agent-config.ts'
import { parseEndpoints, takeTurns } from '../../core/kernel/endpoints.ts'
import { asPilotageError, PilotageError } from '../../core/kernel/errors.ts'
import type { Random } from '../../core/kernel/random.ts'
import type { PilotMessage, ServiceMessage } from '../../core/model/pilot.ts'
import { backoff } from '../../core/kernel/backoff.ts'
import type { AgentPaths } from '../kit/config.ts'
import { type Say, sayOnce } from '../kit/console.ts'
import { readIfThere } from '../kit/files.ts'
import { openUplink, type Session, type Uplink } from '../kit/uplink.ts'

export type ContactOptions = {
  readonly config: AgentConfig
  readonly paths: AgentPaths
  readonly clock: Clock
  readonly random: Random
  readonly say: Say
  /** A stream is open; nothing has come yet. */
  onUp(): void
  onMessage(message: ServiceMessage): void
  onDown(): void
}

export type Contact = {
  /** On the open stream; without one the message is let go, since all that matters is said again. */
  send(message: PilotMessage): void
  /** For other calls; absent while there is no contact. */
  uplink(): Uplink | undefined
  close(): void
}

/** `came`: the service had welcomed us before. */
type Ended = { readonly error: PilotageError; readonly came: boolean }

const noCredential: Ended = { error: new PilotageError('unauthenticated', 'there is no credential'), came: false }

const welcomeMs = 10_000
const firstRetryMs = 200
const maxRetryMs = 5000

export function keepContact(options: ContactOptions): Contact {
  const { config, paths, clock, random, say } = options
  const closing = new AbortController()
  const delays = backoff(random, firstRetryMs, maxRetryMs)
  const turns = takeTurns(parseEndpoints(config.endpoint) ?? [config.endpoint], random)
  let uplink: Uplink | undefined
  let session: Session | undefined
  let welcomed = false
  const outage = sayOnce(say)

  /** One stream from its opening to its end; says why it ended, and whether it ever came about. */
  function once(credential: string): Promise<Ended> {
    return new Promise((resolve) => {
      const endpoint = turns.current()
      const opened = openUplink({ clock, endpoint, caPem: config.caPem, credential })
      let patience: Timer | undefined
      session = opened.session({
        onMessage(message) {
          if (!welcomed) {
            welcomed = true
            uplink = opened
            delays.reset()
            turns.worked(endpoint)
            outage.clear()
            say('in contact')
            patience?.cancel()
          }
          options.onMessage(message)
        },
        onEnd(error) {
          patience?.cancel()
          resolve({ error, came: welcomed })
          session = undefined
          uplink = undefined
          welcomed = false
          opened.close()
          options.onDown()
        },
      })
      const opening = session
      patience = clock.after(welcomeMs, () => opening.close())
      options.onUp()
    })
  }

  async function run(): Promise<void> {
    while (!closing.signal.aborted) {
      const credential = readIfThere(paths.credential)?.trim() ?? ''
      const { error, came } = credential === '' ? noCredential : await once(credential)
      if (closing.signal.aborted) return
      outage.say(`out of contact: ${error.message}`)
      const isNextFresh = credential !== '' && turns.failed(turns.current())
      // All pilots of a service that dies lose it at one instant: a random wait spreads their connections to the others.
      if (!isNextFresh || came || !isUnreachable(error)) await sleep(clock, delays.next(), closing.signal)
    }
  }

  // Not before our caller has what we return: the first thing that happens is that it sends.
  clock.after(0, () => {
    run().catch((error) => say(asPilotageError(error, 'keeping contact').message))
  })
  return {
    send: (message) => session?.send(message),
    uplink: () => uplink,
    close() {
      closing.abort()
      session?.close()
    },
  }
}

/** Unreachable, or no answer in time: another endpoint may answer. A refusal would be the same at every endpoint. */
function isUnreachable({ code }: PilotageError): boolean {
  return code === 'unavailable' || code === 'cancelled'
}
