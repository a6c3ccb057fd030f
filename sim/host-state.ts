/** A simulated machine as its pilot and its monitor see it, and its pilot as the machine sees it. */

import type { Link } from './ways.ts'
import type { SimProcess } from './process.ts'
import type { Switchboard } from './switchboard.ts'
import type { Ground } from './ground.ts'
import type { Payloads } from './host-payloads.ts'
import type { VmId } from '../core/kernel/ids.ts'
import type { Resources } from '../core/model/resources.ts'
import type { PilotStatus, AgentConfig } from '../core/model/agent-config.ts'

export type Disk = {
  /** The lines of the pilot's journal. */
  journal: string[]
  nonce: string
  credential: string
  pilotStatus: PilotStatus | undefined
  /** Since when others have filled it; undefined: it has room. */
  fullSinceMs: number | undefined
}

export type Host = {
  readonly vmId: VmId
  readonly config: AgentConfig
  /** What it really has; the pilot finds no more than was promised. */
  readonly size: Resources
  readonly disk: Disk
  readonly link: Link
  readonly payloads: Payloads
  readonly ground: Ground
  readonly switchboard: Switchboard
  isRunning(): boolean
  newProcess(): SimProcess
  pilot(): Pilot | undefined
  /** A payload was started on it. */
  wasUsed(): boolean
  /** A shutdown from inside. */
  powerOff(reason: string): void
  crash(vanishes: boolean): void
  hang(ms: number): void
  cut(ms: number): void
  /** Its wall clock is off by this from now on. */
  setClock(aheadMs: number): void
  /** It has room again after this time. */
  fillDisk(ms: number): void
  stallPilot(ms: number): void
  killPilot(backMs: number): void
  killMonitor(): void
}

export type Pilot = { readonly process: SimProcess; kill(): void }
