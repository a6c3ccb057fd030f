/**
 * Activation: the single-use key of the context for the VM's own credential, written where the pilot waits for it.
 *
 * The nonce is kept on disk before it is sent, so that a monitor that was restarted in between repeats its request instead
 * of looking like a thief of the key. A refusal may be a service that does not know the VM yet: it is tried again, ever more
 * slowly, until the caller gives up.
 */

import { type Clock, sleep } from '../../core/kernel/clock.ts'
import type { AgentConfig } from '../../core/model/agent-config.ts'
import type { Turns } from '../../core/kernel/endpoints.ts'
import { asPilotageError } from '../../core/kernel/errors.ts'
import type { Random } from '../../core/kernel/random.ts'
import { backoff } from '../../core/kernel/backoff.ts'
import type { AgentPaths } from '../kit/config.ts'
import { type Say, sayOnce } from '../kit/console.ts'
import { readIfThere, writeWhole } from '../kit/files.ts'
import type { Uplink } from '../kit/uplink.ts'

export type ActivateOptions = {
  readonly config: AgentConfig
  readonly paths: AgentPaths
  readonly clock: Clock
  readonly random: Random
  readonly say: Say
  readonly turns: Turns
  /** Opens a channel to the current endpoint, without a credential. */
  readonly open: () => Uplink
  readonly withinMs: number
}

/** 160 random bits. */
const nonceLength = 32
const firstRetryMs = 200
const maxRetryMs = 10_000

/** The credential, or nothing where the time passed. Repeating it is harmless. */
export async function activate(options: ActivateOptions): Promise<string | undefined> {
  const { config, paths, clock, random, say, turns, open, withinMs } = options
  const kept = readIfThere(paths.credential)?.trim()
  if (kept) return kept
  let nonce = readIfThere(paths.nonce)?.trim() ?? ''
  if (nonce === '') {
    nonce = random.letters(nonceLength)
    writeWhole(paths.nonce, nonce)
  }
  const delays = backoff(random, firstRetryMs, maxRetryMs)
  const giveUpMs = clock.monotonicMs() + withinMs
  const outage = sayOnce(say)
  while (clock.monotonicMs() < giveUpMs) {
    const uplink = open()
    try {
      const request = { vmId: config.vmId, activationKey: config.activationKey, nonce }
      const { credential } = await uplink.activate(request)
      writeWhole(paths.credential, credential)
      turns.worked(turns.current())
      say('activated')
      return credential
    } catch (thrown) {
      const { code, message } = asPilotageError(thrown, 'activating')
      outage.say(`not activated: ${code}: ${message}`)
      if (turns.failed(turns.current()) && code === 'unavailable') continue
    } finally {
      uplink.close()
    }
    await sleep(clock, delays.next())
  }
  return undefined
}
