/**
 * Whether a VM did what it was made for: it offered itself for jobs, or its service answered, and it was healthy. Coming up
 * alone proves nothing.
 *
 *   wellSinceMs  since when its heartbeats say without a break that it takes jobs, or has its service, and is healthy
 *   provenMs     it was well for `provenAfterMs`, or until it ended in good order; never taken back
 *   fault        why it ended, where it ended through what it was made from; never together with provenMs
 *   faultOf      what its cloud says is to blame for the fault; absent: its image
 *
 * The record keeps one of the last two for ever, so that every director counts the VM once and alike. The event that ends a
 * VM says under which condition that is a fault; the drain of an operator, a revocation and a spot interruption name none.
 */

import { provenAfterMs } from '../kernel/limits.ts'

export type Proof = {
  readonly wellSinceMs?: number
  readonly provenMs?: number
  readonly fault?: string
  readonly faultOf?: WaitFailure
}

/**
 * Why a VM that was accepted does not run: no room or no quota for its flavor, or the cloud itself does not get on with it
 * (`transient`). Not its image.
 */
export type WaitFailure = 'quota' | 'capacity' | 'transient'

/**
 * proven: its end is its own fault unless it was well for a while: it says that it is unhealthy. working: unless it was, or
 * holds a lease: it is silent or switched off. offered: unless it has offered anything: it asked to end, its life is over,
 * or the cloud does not have it any more.
 */
export type FaultUnless = 'proven' | 'working' | 'offered'

/** What a monitor says that matters here. */
type Said = { readonly pilotState: string; readonly unhealthy: string }

/** `hasService`: it has a service instead of a pilot; its monitor names a service that does not answer as unhealthy. */
export function proofAfter<Of extends Proof>(
  vm: Of,
  { pilotState, unhealthy }: Said,
  hasService: boolean,
  nowMs: number,
): Of {
  if (vm.provenMs !== undefined || vm.fault !== undefined) return vm
  if (unhealthy !== '') return { ...vm, wellSinceMs: undefined }
  const isWell = hasService || pilotState === 'idle' || pilotState === 'busy'
  const wellSinceMs = vm.wellSinceMs ?? (isWell ? nowMs : undefined)
  if (wellSinceMs === undefined) return vm
  return { ...vm, wellSinceMs, ...(nowMs - wellSinceMs >= provenAfterMs ? { provenMs: nowMs } : {}) }
}

/**
 * It leaves the states in which it takes jobs, or is on its way. `isOrderly`: with nothing left to do; then what it has
 * offered proves it. A drain may still be followed by that, and a VM that vanishes proves nothing.
 */
export function proofAtEnd<Of extends Proof>(
  vm: Of,
  ending: {
    readonly why: string
    readonly faultUnless?: FaultUnless
    readonly failure?: WaitFailure
    readonly isOrderly: boolean
    readonly hasLeases: boolean
  },
  hasService: boolean,
  nowMs: number,
): Of {
  const { why, faultUnless, failure, isOrderly, hasLeases } = ending
  if (vm.provenMs !== undefined || vm.fault !== undefined) return vm
  const hasOffered = vm.wellSinceMs !== undefined
  const isExcused = { proven: false, working: hasLeases, offered: hasOffered }
  if (faultUnless !== undefined && !isExcused[faultUnless])
    return { ...vm, fault: why, ...(failure === undefined ? {} : { faultOf: failure }) }
  // Whether a service works shows only after a while; a pilot that offers itself works.
  return hasOffered && !hasService && isOrderly ? { ...vm, provenMs: nowMs } : vm
}

/** No time of it lies after now. */
export function cutProof<Of extends Proof>(vm: Of, nowMs: number): Of {
  const { wellSinceMs, provenMs } = vm
  return {
    ...vm,
    ...(wellSinceMs === undefined ? {} : { wellSinceMs: Math.min(wellSinceMs, nowMs) }),
    ...(provenMs === undefined ? {} : { provenMs: Math.min(provenMs, nowMs) }),
  }
}
