/**
 * What a VM's monitor and the service say to each other, as both sides think of it: the activation of the VM, then
 * heartbeats. proto/codec carries it over the wire; the simulator carries it as it is. The pilot's stream is in pilot.ts.
 */

import type { VmId } from '../kernel/ids.ts'
import type { Heartbeat } from './vm.ts'

/** `nonce`: made by the VM, which distinguishes a repeat of its own request from another program that read the key. */
export type Activation = { readonly vmId: VmId; readonly activationKey: string; readonly nonce: string }

/** The VM's own proof for every later call. */
export type VmCredential = { readonly credential: string; readonly expiresMs: number }

export type HeartbeatRequest = {
  /** Its time is the service's: when it was received. */
  readonly heartbeat: Omit<Heartbeat, 'atMs'>
  /** What the monitor asks for, and why; empty: nothing. */
  readonly wish: '' | 'stop' | 'drain'
  readonly wishReason: string
}

/** stop: switch the VM off now. */
export type Order = 'go-on' | 'drain' | 'stop'

export type HeartbeatAnswer = { readonly order: Order; readonly reason: string; readonly serviceTimeMs: number }

/** With how often the service wants heartbeats; absent: it does not say. */
export type HeartbeatTerms = HeartbeatAnswer & { readonly heartbeatIntervalMs?: number }
