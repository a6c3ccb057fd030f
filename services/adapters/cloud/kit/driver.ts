/**
 * What a driver of one kind of cloud exports, and what it is given. Types only.
 *
 * A driver lies in one folder with one line in the registry (services/run/drivers.ts). Nothing outside of that folder knows
 * its kind by name: the configuration reads its keys by its schema, the service reads its secrets through it, and the rest
 * of the program asks its traits.
 */

import type { Clock } from '../../../../core/kernel/clock.ts'
import type { CloudTraits, Offering, UserDataLimit } from '../../../../core/model/cloud.ts'
import type { Reference } from '../../../../core/model/reference.ts'
import type { Cloud } from '../../../../core/ports/cloud.ts'
import type { Log } from '../../../../core/ports/log.ts'
import type { SecretSource } from '../../../config/fields.ts'
import type { DriverSchema } from '../../../config/driver-schema.ts'

/** `Raw`: the keys under the name of the kind. `Options`: what they compile to. Both are known to the driver alone. */
export type Driver<Raw extends object = object, Options extends object = object> = {
  readonly kind: string
  readonly schema: DriverSchema<Raw, Options>
  readonly traits: CloudTraits
  /**
   * Reads the files and variables that the options name, by the keys under `path`; what is wrong is reported by the reader.
   */
  secrets(options: Options, path: string, reader: SecretReader): CloudSecrets
  /** Throws `invalid-argument` where the driver cannot work on this machine. Its packages are loaded here and not before. */
  open(options: Options, given: OpenOptions): Promise<Cloud>
}

/** The values, by the keys that name them. */
export type CloudSecrets = Readonly<Record<string, string | undefined>>

export type SecretReader = {
  certificate(path: string, file: string): string
  secret(path: string, source: SecretSource): string
  privateKey(path: string, source: SecretSource): string
}

export type OpenOptions = {
  /** The name of the cloud in the configuration. */
  readonly name: string
  /** The name of the installation towards clouds. */
  readonly installation: string
  readonly clock: Clock
  readonly log: Log
  readonly references: References
  readonly offerings: readonly Offering[]
  readonly secrets: CloudSecrets
  /** On this machine, for the driver alone; made by the driver. */
  readonly directory: string
  readonly notes: DriverNotes
}

/** Small named documents that every director of the installation reads and writes. */
export type DriverNotes = {
  read(name: string): Promise<string | undefined>
  write(name: string, text: string): Promise<void>
}

/** How VMs of any cloud get their context whose image has no cloud-init. */
export type Delivery = {
  readonly userData: UserDataLimit
  /** A cloud whose VMs of these images are created without user data and get it afterwards. */
  around(cloud: Cloud, options: DeliveryOptions): Promise<Cloud>
}

export type DeliveryOptions = {
  readonly clock: Clock
  readonly log: Log
  /** `sudo`: the account is not root, and may become it by `sudo -n`. The key is never to be logged. */
  readonly login: { readonly user: string; readonly privateKey: string; readonly sudo: boolean }
  readonly port: number
  /** Our names of the images without cloud-init. */
  readonly images: ReadonlySet<string>
  /** What was not delivered within this time is of no use any more, and is forgotten. */
  readonly keepMs: number
}

/** How a cloud calls what we call by a name of our own: every flavor of an offering. Images come with the orders. */
export type References = { readonly flavors: ReadonlyMap<string, Reference> }

/** What every driver of a cloud with an API is given. */
export type DriverOptions = {
  /** Ours, of the cloud. */
  readonly name: string
  /** Marks the machines that are ours: a machine that bears another mark, or none, is never touched. */
  readonly installation: string
  readonly clock: Clock
  readonly log: Log
  readonly references: References
}

/** Two clouds of one installation may share a project: each marks its machines with both names. */
export function cloudMark({ installation, name }: Pick<OpenOptions, 'installation' | 'name'>): string {
  return `${installation}.${name}`
}
