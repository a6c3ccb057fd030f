/**
 * One VM per VM id, for clouds that create as many as they are asked for: one create per id at a time, and a look for the VM
 * after a create whose outcome is unknown.
 */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { VmId } from '../../../../core/kernel/ids.ts'

export type CreateOnce<Made> = {
  /** Callers that ask for one id at the same time get the same answer. */
  run(vmId: VmId, create: () => Promise<Made>): Promise<Made>
  isRunning(vmId: VmId): boolean
  running(): readonly VmId[]
}

export function createOnce<Made>(): CreateOnce<Made> {
  const running = new Map<VmId, Promise<Made>>()
  return {
    run(vmId, create) {
      const begun = running.get(vmId) ?? create().finally(() => running.delete(vmId))
      running.set(vmId, begun)
      return begun
    },
    isRunning: (vmId) => running.has(vmId),
    running: () => [...running.keys()],
  }
}

/** A VM that is found after an unknown outcome is the answer. Where none is found, the outcome stays unknown. */
export async function createOrFind<Made>(
  create: () => Promise<Made>,
  find: () => Promise<Made | undefined>,
  isUnknown: (thrown: unknown) => boolean = isTransient,
): Promise<Made> {
  try {
    return await create()
  } catch (thrown) {
    if (!isUnknown(thrown)) throw thrown
    const made = await find().catch(() => undefined)
    if (made === undefined) throw thrown
    return made
  }
}

export function isTransient(thrown: unknown): boolean {
  return thrown instanceof PilotageError && thrown.code === 'cloud-transient'
}
