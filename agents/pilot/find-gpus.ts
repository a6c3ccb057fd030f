/**
 * The GPUs of this VM: by nvidia-smi where it is there, else by the classes and vendors of the devices on the PCI bus. What
 * cannot be read was not found.
 */

import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isVersion, plainVersion } from '../../core/kernel/versions.ts'
import { parseCapability } from '../../core/language/gpu-type.ts'
import type { FoundTraits, GpuVendor } from '../../core/model/traits.ts'

export type FoundGpus = {
  readonly count: number
  readonly traits: Pick<FoundTraits, 'gpuVendor' | 'gpuMemoryBytes' | 'gpuCapability' | 'gpuDriver'>
}

const none: FoundGpus = { count: 0, traits: {} }

const query = ['--query-gpu=memory.total,compute_cap,driver_version', '--format=csv,noheader,nounits']
const queryMs = 5000
const mib = 1024 * 1024

export function findGpus(): FoundGpus {
  const answer = spawnSync('nvidia-smi', query, { encoding: 'utf8', timeout: queryMs })
  const byTool = answer.status === 0 ? gpusInTable(answer.stdout) : none
  return byTool.count > 0 ? byTool : gpusOnBus('/sys/bus/pci/devices')
}

/** One line for each: MiB of memory, compute capability, version of the driver. Of each the least. */
export function gpusInTable(text: string): FoundGpus {
  const rows = text
    .split('\n')
    .map((line) => line.split(',').map((cell) => cell.trim()))
    .filter((cells) => cells.length === 3)
  if (rows.length === 0) return none
  const least = (numbers: readonly number[]): number | undefined =>
    numbers.length === rows.length ? Math.min(...numbers) : undefined
  const memory = least(rows.flatMap(([mebibytes = '']) => (Number(mebibytes) > 0 ? [Number(mebibytes) * mib] : [])))
  const capability = least(rows.flatMap(([, capability = '']) => parseCapability(capability) ?? []))
  const [driver = ''] = rows.map(([, , version]) => version)
  return {
    count: rows.length,
    traits: {
      gpuVendor: 'nvidia',
      ...(memory === undefined ? {} : { gpuMemoryBytes: memory }),
      ...(capability === undefined ? {} : { gpuCapability: capability }),
      ...(isVersion(driver) ? { gpuDriver: plainVersion(driver) } : {}),
    },
  }
}

/** VGA, 3D and other display controllers of these vendors; what a hypervisor shows as a screen is of none of them. */
const displayClass = /^0x03/
const vendors: Readonly<Record<string, GpuVendor>> = { '0x10de': 'nvidia', '0x1002': 'amd', '0x8086': 'intel' }

export function gpusOnBus(devices: string): FoundGpus {
  const found = entries(devices).flatMap((device) => {
    const isDisplay = displayClass.test(read(join(devices, device, 'class')))
    const vendor = vendors[read(join(devices, device, 'vendor')).trim()]
    return isDisplay && vendor ? [vendor] : []
  })
  const [gpuVendor] = found
  if (!gpuVendor) return none
  // Of several vendors a job cannot be sure which it gets.
  const isOne = found.every((one) => one === gpuVendor)
  return { count: found.length, traits: isOne ? { gpuVendor } : {} }
}

function entries(path: string): readonly string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
