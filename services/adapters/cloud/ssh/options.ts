/** What the SSH driver and the delivery by SSH are given. Types only. */

import type { Clock } from '../../../../core/kernel/clock.ts'
import type { Log } from '../../../../core/ports/log.ts'
import type { DriverNotes } from '../kit/driver.ts'

export type SshLogin = {
  readonly user: string
  /** OpenSSH's or PEM form, without a passphrase. Never to be logged. */
  readonly privateKey: string
  /** The user is not root, and may become it by `sudo -n`. */
  readonly sudo: boolean
}

export type SshHost = {
  /** A name or an IP address. */
  readonly address: string
  readonly port: number
  readonly flavor: string
  /** `SHA256:...` as OpenSSH shows it: the operator's word, above whatever was seen before. */
  readonly hostKey?: string
}

export type SshCloudOptions = {
  /** Ours, of the cloud. */
  readonly name: string
  /** Marks the hosts that we claim: what bears another mark is never touched. No white space. */
  readonly installation: string
  readonly clock: Clock
  readonly log: Log
  readonly login: SshLogin
  readonly hosts: readonly SshHost[]
  /** What a host of a flavor has. Every flavor that a host names stands in it. */
  readonly sizes: ReadonlyMap<string, { readonly cores: number; readonly memoryBytes: number }>
  readonly keep: DriverNotes
  /** The maximum duration of one call of the port. */
  readonly callMs: number
  /** The maximum time of one host within a call: after that it counts as not reached. */
  readonly hostMs: number
}
