/**
 * One order as the text that goes with the instantiation of a template: what of the template is replaced, our two marks, and
 * the context. Pure.
 *
 * A vector attribute replaces all of the template's of that name, so that its context and its disks are sent again with ours
 * in them. The user data go in base64: OpenNebula would look for variables and quotes in anything else. Within quotes it
 * knows one escape, that of the quote, and so no value can end in a backslash.
 */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { VmOrder } from '../../../../core/ports/cloud.ts'

export type Template = {
  readonly id: number
  readonly context: ReadonlyMap<string, string>
  readonly disks: readonly ReadonlyMap<string, string>[]
}

/** What the operator wrote, the same for every VM. */
export type OrderOptions = {
  readonly installation: string
  /** How much CPU a core is given on its host. */
  readonly cpuPerCore: number
  /** Whether the first disk is made as large as the flavor says. */
  readonly disk: 'flavor' | 'template'
  readonly networks: readonly ReadonlyMap<string, string>[]
  /** One public key a line. */
  readonly sshKeys?: string
  /** Run by the image's context scripts, which also images without cloud-init have. */
  readonly startScript?: string
}

export const markNames = { installation: 'PILOTAGE_INSTALLATION', vm: 'PILOTAGE_VM' } as const

const mib = 1024 * 1024

/** `imageId`: where the image is one of its own and not the template's. */
export function orderText(order: VmOrder, template: Template, options: OrderOptions, imageId?: number): string {
  const { vmId, shape } = order
  const lines = [
    single('CPU', decimal(shape.cores * options.cpuPerCore)),
    single('VCPU', String(shape.cores)),
    single('MEMORY', String(Math.ceil(shape.memoryBytes / mib))),
    ...disksOf(order, template, options, imageId).map((disk) => vector('DISK', disk)),
    ...options.networks.map((network) => vector('NIC', network)),
    vector('CONTEXT', contextOf(order, template, options)),
    single(markNames.installation, options.installation),
    single(markNames.vm, vmId),
  ]
  return `${lines.join('\n')}\n`
}

/** None: the template's stay as they are. */
function disksOf(
  { vmId, shape }: VmOrder,
  { id, disks }: Template,
  { disk }: OrderOptions,
  imageId: number | undefined,
): readonly ReadonlyMap<string, string>[] {
  if (imageId === undefined && disk === 'template') return []
  const [first, ...others] = disks
  if (imageId === undefined && first === undefined) {
    throw new PilotageError('cloud-refused', `creating ${vmId}: template ${id} has no disk to give a size`)
  }
  const image = imageId === undefined ? first : new Map([['IMAGE_ID', String(imageId)]])
  const size: readonly (readonly [string, string])[] =
    disk === 'flavor' ? [['SIZE', String(Math.ceil(shape.diskBytes / mib))]] : []
  return [new Map([...(image ?? []), ...size]), ...others]
}

function contextOf({ userData }: VmOrder, { context }: Template, options: OrderOptions): ReadonlyMap<string, string> {
  const own = new Map([...context, ['NETWORK', 'YES']])
  if (userData !== '') {
    own.set('USER_DATA', Buffer.from(userData).toString('base64'))
    own.set('USER_DATA_ENCODING', 'base64')
  }
  if (options.sshKeys !== undefined) own.set('SSH_PUBLIC_KEY', options.sshKeys)
  if (options.startScript !== undefined) {
    own.delete('START_SCRIPT')
    own.set('START_SCRIPT_BASE64', Buffer.from(options.startScript).toString('base64'))
  }
  return own
}

function single(name: string, value: string): string {
  return `${name}=${quoted(name, value)}`
}

function vector(name: string, values: ReadonlyMap<string, string>): string {
  return `${name}=[${[...values].map(([key, value]) => single(key, value)).join(',')}]`
}

function quoted(name: string, value: string): string {
  if (value.endsWith('\\') || value.includes(']]>')) {
    throw new PilotageError(
      'cloud-refused',
      `the attribute ${name} cannot be written for OpenNebula: it holds ]]> or ends in \\`,
    )
  }
  return `"${value.replaceAll('"', '\\"')}"`
}

/** Hundredths of a CPU are what quotas count in. */
function decimal(value: number): string {
  return String(Math.max(0.01, Math.round(value * 100) / 100))
}
