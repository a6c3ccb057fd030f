/**
 * What an offering promises of a VM beside its size, under `traits` of a flavor or an image. What neither says is not known:
 * a job that asks for it gets no such VM.
 */

import Type from 'typebox'
import { jobLimits } from '../../core/kernel/limits.ts'
import { parseRate, rateForms, rateText } from '../../core/kernel/quantities.ts'
import { isVersion, plainVersion, versionForm } from '../../core/kernel/versions.ts'
import { capabilityForm, parseCapability } from '../../core/language/gpu-type.ts'
import { parseProcessor } from '../../core/language/trait-types.ts'
import { containerRuntimes, gpuVendors, type Traits } from '../../core/model/traits.ts'
import { absent, bytes, choice, decimal, list, mapping, name, type Reader, reading, value } from './fields.ts'

const version = value(Type.String(), { rule: 'not a version', accepted: versionForm }, (given) =>
  isVersion(given) ? plainVersion(given) : undefined,
)

const processor = value(
  Type.String(),
  { rule: 'not an architecture', accepted: 'aarch64, x86-64, or x86-64-v1 to x86-64-v4' },
  parseProcessor,
)

const rate = value(
  Type.String(),
  { rule: 'not a rate', accepted: `${rateForms}; ${rateText(jobLimits.minDiskRate)} to ${rateText(jobLimits.diskRate)}` },
  (given) => {
    const parsed = parseRate(given)
    return parsed !== undefined && parsed >= jobLimits.minDiskRate && parsed <= jobLimits.diskRate ? parsed : undefined
  },
)

const capability = value(Type.String(), { rule: 'not a compute capability', accepted: capabilityForm }, parseCapability)

/** DB12 and HS23 of a core lie between 5 and 50. */
const minPower = 0.1
const maxPower = 1000

const keys = mapping({
  os: absent(name),
  osVersion: absent(version),
  architecture: absent(processor),
  glibc: absent(version),
  containers: absent(list(choice(...containerRuntimes), containerRuntimes.length)),
  power: absent(decimal(minPower, maxPower)),
  diskRate: absent(rate),
  gpuVendor: absent(choice(...gpuVendors)),
  gpuMemory: absent(bytes(jobLimits.minGpuMemoryBytes, jobLimits.gpuMemoryBytes)),
  gpuCapability: absent(capability),
  gpuDriver: absent(version),
})

export const traits: Reader<Traits> = reading<Traits>(keys.schema, (given, path, violations) => {
  const read = keys(given, path, violations)
  if (!read) return undefined
  const { architecture, gpuMemory: gpuMemoryBytes, gpuCapability: exact, ...others } = read
  const level = architecture?.level ? { min: architecture.level, max: architecture.level } : undefined
  const gpuCapability = exact === undefined ? undefined : { min: exact, max: exact }
  const all = { ...others, architecture: architecture?.name, level, gpuMemoryBytes, gpuCapability }
  return Object.fromEntries(Object.entries(all).filter(([, one]) => one !== undefined)) as Traits
})

/** What both promise; the image wins where they differ. Undefined: they promise nothing. */
export function combinedTraits(flavor: Traits | undefined, image: Traits | undefined): Traits | undefined {
  return flavor || image ? { ...flavor, ...image } : undefined
}
