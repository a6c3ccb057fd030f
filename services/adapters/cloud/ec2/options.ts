/** The options of the EC2 driver: one account and region, and how its machines are made. Types only. */

import type { DriverOptions } from '../kit/driver.ts'

export type Ec2Credentials =
  | { readonly kind: 'keys'; readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }
  /** As the SDK finds them: environment, profile files, the role of the machine that we run on. */
  | { readonly kind: 'chain' }

/** What of a machine the flavor and the image do not say. */
export type MachineOptions = {
  readonly launchTemplate?: { readonly id?: string; readonly name?: string; readonly version: string }
  /** In several zones: one of them by the VM's id, the others where it has no room. None: as template or account say. */
  readonly subnets: readonly string[]
  readonly securityGroups: readonly string[]
  readonly publicIp?: boolean
  /** Its name or its ARN. */
  readonly instanceProfile?: string
  readonly keyName?: string
  /** Absent: as the launch template or the image says. */
  readonly rootVolume?: { readonly size: 'flavor' | 'image'; readonly type?: string; readonly encrypted?: boolean }
  /** Beside ours. */
  readonly tags: Readonly<Record<string, string>>
}

export type Ec2Options = DriverOptions & {
  readonly region: string
  /** Absent: Amazon's own of the region. */
  readonly endpoint?: string
  readonly caPem?: string
  readonly credentials: Ec2Credentials
  readonly machine: MachineOptions
  /** Whose images are found by name and by properties: a name alone is anybody's. */
  readonly imageOwners: readonly string[]
  /** Whether the account attribute `max-instances` is a limit. On Amazon's own cloud it has no meaning. */
  readonly quotaFromAccount: boolean
  /** The maximum duration of one call; `cloudCallMs` if absent. */
  readonly callMs?: number
}
