/**
 * How our machines, and what we make beside them, say whose they are. Metadata of a server are the truth; its tags say the
 * same in a form that Nova can search by. Ports and floating addresses have neither: they carry it in their description.
 */

import { createHash } from 'node:crypto'
import { isVmId, type VmId } from '../../../../core/kernel/ids.ts'

const installationKey = 'pilotage-installation'
const vmKey = 'pilotage-vm'
const childrenKey = 'pilotage-ports'

type Metadata = Readonly<Record<string, unknown>>

/** `hasChildren`: ports of ours have to go with it, whatever the configuration says by then. */
export function metadataOf(installation: string, vmId: VmId, hasChildren: boolean): Readonly<Record<string, string>> {
  return { [installationKey]: installation, [vmKey]: vmId, ...(hasChildren ? { [childrenKey]: 'own' } : {}) }
}

export function hasChildren(metadata: Metadata | undefined): boolean {
  return metadata?.[childrenKey] === 'own'
}

/** Undefined: it bears another mark, or none. */
export function markedVm(metadata: Metadata | undefined, installation: string): VmId | undefined {
  const vmId = metadata?.[vmKey]
  return metadata?.[installationKey] === installation && typeof vmId === 'string' && isVmId(vmId) ? vmId : undefined
}

/** Nova's tags have at most 60 letters, and no slash and no comma: a name that does not fit stands there as its digest. */
export function installationTag(installation: string): string {
  const tag = `${installationKey}=${installation}`
  if (/^[^,/]{1,60}$/.test(tag)) return tag
  return `${installationKey}=sha256-${createHash('sha256').update(installation).digest('hex').slice(0, 24)}`
}

export function vmTag(vmId: VmId): string {
  return `${vmKey}=${vmId}`
}

export function portName(installation: string): string {
  return `pilotage ${installation}`.slice(0, 255)
}

export function description(installation: string, vmId: VmId): string {
  return `pilotage ${installation} ${vmId}`
}

export function describedVm(text: string | undefined, installation: string): VmId | undefined {
  const beginning = `pilotage ${installation} `
  const rest = text?.startsWith(beginning) ? text.slice(beginning.length) : ''
  return isVmId(rest) ? rest : undefined
}

/** What is left of a machine without a server: it is listed and ended under the VM's id. */
export function leftRef(vmId: VmId): string {
  return `left-${vmId}`
}

export function leftVm(ref: string): VmId | undefined {
  const vmId = ref.startsWith('left-') ? ref.slice('left-'.length) : ''
  return isVmId(vmId) ? vmId : undefined
}
