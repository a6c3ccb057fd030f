/**
 * Activate: a VM exchanges its single-use key for its own credential.
 *
 * The keys lie in the store as hashes only. A repeat with the VM's own nonce is a lost answer asked for again; with another
 * nonce it is another program that read the user data, and a fact shows it to operators.
 */

import { createHash } from 'node:crypto'
import { PilotageError } from '../../core/kernel/errors.ts'
import { newFact } from '../../core/model/fact-shapes.ts'
import type { Activation } from '../../core/model/monitor.ts'
import type { VmPorts } from './ports.ts'

/** How long the credential is good: to the end of the VM's life and a while after, for its last reports. */
const afterLifeMs = 60 * 60 * 1000

/** Answers when the credential expires. Throws `unauthenticated`, the same for a wrong key, a used one and an unknown VM. */
export async function activate(ports: VmPorts, { vmId, activationKey, nonce }: Activation): Promise<number> {
  if (nonce.length < 16 || nonce.length > 128)
    throw new PilotageError('invalid-argument', 'the nonce has 16 to 128 characters')
  const nowMs = ports.clock.nowMs()
  const event = { kind: 'activated', vmId, keyHash: hashed(activationKey), nonceHash: hashed(nonce) } as const
  const [outcome] = await ports.store.changeVms([event], nowMs)
  if (outcome?.ok) {
    ports.bus.hint({ kind: 'vms', ids: [vmId] })
    return outcome.vm.endByMs + afterLifeMs
  }
  const why = outcome?.why ?? 'not-found'
  ports.log.warn({ vmId, why }, 'an activation was refused')
  // Only who knows the key gets so far as to leave a trace in the store: a guess, however often, leaves none.
  if (why === 'key-used') {
    await ports.store.emit([newFact('activation', `vm:${vmId}`, 'activation refused', { why })], nowMs)
  }
  throw new PilotageError('unauthenticated', 'the activation key is not valid')
}

export function hashed(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}
