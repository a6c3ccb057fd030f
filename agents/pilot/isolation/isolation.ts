/**
 * Isolation: how far a payload is kept from the pilot, from other payloads and from the machine. One kind per pilot, chosen
 * at its start.
 *
 * `namespaces`: a view of the machine of its own, with its own processes, memory segments and host name; under an account of
 * its own where the machine has accounts for payloads. `accounts`: an account of its own, and nothing else. `plain`:
 * nothing; a payload may do what the pilot may do. A further kind (containers) implements `Isolation` and gets a line in
 * choose.ts.
 *
 * What stays true: no step that has power sees anything of a job; when `end` has resolved with 0 nothing of the payload
 * runs.
 */

import type { IsolationKind } from '../../../core/model/agent-config.ts'
import type { Keeping } from '../directory.ts'
import type { LaunchMode } from './launcher.ts'
import type { Limits, Use } from './measure.ts'

export type Isolation = {
  readonly kind: IsolationKind
  /** What does it, with its version where it has one: `bubblewrap 0.8.0`, `unshare`, `setpriv`. */
  readonly tool: string
  /** Undefined: no account is free. */
  confine(key: string, dir: string, memoryBytes: number): Confinement | undefined
  /** Of a former life of this pilot: ends processes and removes directories that it left. */
  endLeftovers(): Promise<void>
  removeDirectory(dir: string, keeping?: Keeping): Promise<void>
  /** How many payloads can run at one time; Infinity where that has no bound. */
  places(): number
  /** Accounts that something was left of, so that no payload gets them again: a line for each, with the reason. */
  retired(): readonly string[]
}

/** Of one payload. */
export type Confinement = {
  /** Stands before the job: the launcher is the last of it. Empty: the payload is started as it is. */
  readonly command: readonly string[]
  readonly mode: LaunchMode | 'direct'
  /** The payload's account, where whatever runs under it is this payload's. */
  readonly account?: number
  /** Makes the payload's directory afresh. Throws where it cannot. */
  prepare(): void
  /** Called when the first process is over: ends what is left. Resolves with how many processes did not end. */
  end(): Promise<number>
  /** Called once nothing of the attempt is needed: removes its files, frees or retires its account. */
  remove(): Promise<void>
  /** Undefined where it could not be measured now. */
  measure(pids: readonly number[], limits: Limits): Promise<Use | undefined>
}
