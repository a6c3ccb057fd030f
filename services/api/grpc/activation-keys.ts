/**
 * Which activation keys are worth a look into the store: those of VMs that live, by their hashes, in memory.
 *
 * The store stays the truth and decides; this only keeps guesses away from it. A key that is not known here may have been
 * made a moment ago, by another process too. So for an unknown one the list is read anew, at most once per second for all
 * who wait: 20 000 guesses cost the store one read per second, and the key of a new VM is known after one second at most.
 */

import { type Clock, sleep } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import type { Log } from '../../../core/ports/log.ts'
import type { VmStore } from '../../../core/ports/store.ts'
import { tokenBuckets } from '../../../core/kernel/token-bucket.ts'
import { hashed } from '../../vms/activate.ts'
import type { Caller } from './admission.ts'
import { sayingRarely } from './connections.ts'

export type ActivationKeys = {
  /** Whether the store may know the key. Throws where the store cannot be read, and what `mayRead` throws before it is. */
  isKnown(vmId: VmId, activationKey: string, mayRead: () => void): Promise<boolean>
}

const readEveryMs = 1000
/** Ours have 32 characters; what is longer is not even hashed. */
const maxKeyLength = 256
/** A VM has one key, and repeats it when an answer was lost: 50 wrong ones at once are no misconfiguration of a few VMs. */
const guessRate = { perSecond: 5, burst: 50 }
const maxAddresses = 10_000

export function activationKeys({ store, clock }: { store: Pick<VmStore, 'liveVms'>; clock: Clock }): ActivationKeys {
  let known: ReadonlyMap<VmId, string> = new Map()
  let readMs = Number.NEGATIVE_INFINITY
  let next: Promise<void> | undefined

  async function read(): Promise<void> {
    await sleep(clock, Math.max(0, readMs + readEveryMs - clock.monotonicMs()))
    readMs = clock.monotonicMs()
    // From here on it may be too late for a key that is asked for: who comes now waits for the next reading.
    next = undefined
    known = new Map((await store.liveVms()).map(({ vm }) => [vm.id, vm.activation.keyHash]))
  }

  return {
    async isKnown(vmId, activationKey, mayRead) {
      if (activationKey.length > maxKeyLength) return false
      const keyHash = hashed(activationKey)
      if (known.get(vmId) === keyHash) return true
      mayRead()
      next ??= read()
      await next
      return known.get(vmId) === keyHash
    },
  }
}

/**
 * Counts wrong keys per address. A right key that is known here is never counted and never refused, whatever else comes from
 * its address; above the rate an unknown one is refused before the store is read.
 */
export function guessesPerAddress(clock: Clock, keys: ActivationKeys, log: Log) {
  const guesses = tokenBuckets(guessRate, maxAddresses)
  const say = sayingRarely(clock, log)
  return {
    /** Throws `unauthenticated` for a key that no living VM has, and `overloaded` above the rate. */
    async check(vmId: VmId, activationKey: string, { address, blame }: Pick<Caller, 'address' | 'blame'>): Promise<void> {
      const mayRead = (): void => {
        const retryAfterMs = guesses.waitMs(address, clock.monotonicMs())
        if (retryAfterMs === 0) return
        blame()
        throw new PilotageError('overloaded', 'too many activations with wrong keys from this address', { retryAfterMs })
      }
      if (await keys.isKnown(vmId, activationKey, mayRead)) return
      guesses.spend(address, 1, clock.monotonicMs())
      blame()
      say(address, 'activations with wrong keys are refused')
      throw new PilotageError('unauthenticated', 'the activation key is not valid')
    },
  }
}
