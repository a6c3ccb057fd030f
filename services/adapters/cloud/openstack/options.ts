/**
 * What the OpenStack driver is given: who we are there, and how its machines are to be made. Types only.
 *
 * Whatever the cloud knows by a name and by an id may be given as either: what has the form of an id is one.
 */

import type { DriverOptions } from '../kit/driver.ts'

export type OpenStackOptions = DriverOptions & {
  readonly access: Access
  readonly machines: Machines
  /** The highest microversion of Nova that is asked for; for a cloud that misbehaves in newer ones. */
  readonly maxMicroversion?: string
  /** Servers to a page of a list. */
  readonly pageSize?: number
}

export type Access = {
  /** Of Keystone, with or without `/v3`. */
  readonly authUrl: string
  /** The authority of all certificates of this cloud; absent: the system's. */
  readonly caPem?: string
  readonly login: Login
  /** Absent: of the only one that the catalogue has. */
  readonly region?: string
  readonly interface: 'public' | 'internal' | 'admin'
}

type User = { readonly user: string; readonly userDomain: string }

export type Login =
  | ({ readonly method: 'password'; readonly password: string; readonly project: Project } & User)
  /** By its id, or by its name beside its user. Bound to its project by itself. */
  | ({ readonly method: 'application-credential'; readonly credential: string; readonly secret: string } & Partial<User>)
  /** The driver does not renew it: after its end every call fails. */
  | { readonly method: 'token'; readonly token: string; readonly project?: Project }

export type Project =
  | { readonly by: 'id'; readonly id: string }
  | { readonly by: 'name'; readonly name: string; readonly domain: string }

export type Machines = {
  /** In this order. None: what Nova gives by itself, where the project has one network. */
  readonly networks: readonly string[]
  /** Ports are made by us and given to Nova, rather than by Nova. A floating address needs it. */
  readonly ownPorts: boolean
  /** The external network of which each machine gets an address. */
  readonly floatingNetwork?: string
  readonly securityGroups: readonly string[]
  readonly keyPair?: string
  readonly availabilityZone?: string
  readonly serverGroup?: string
  readonly configDrive: boolean
  /** A volume of the offering's size is made by Nova out of the image, and goes with the server. */
  readonly bootFrom: 'image' | 'volume'
  readonly volumeType?: string
  readonly tags: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
}
