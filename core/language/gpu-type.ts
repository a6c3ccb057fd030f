/** The type of the field `gpus`: a number of GPUs, or a range with what each of them must be. */

import { isVersion, plainVersion, versionForm, versionPattern } from '../kernel/versions.ts'
import { jobLimits } from '../kernel/limits.ts'
import { bytesPattern, bytesText, exactBytes, parseBytes } from '../kernel/quantities.ts'
import type { GpuWish } from '../model/requirements.ts'
import { gpuVendors } from '../model/traits.ts'
import { type FieldType, isMapping, readKeys, type Refuse, within, wrongShape } from './field-types.ts'
import { asked } from './trait-types.ts'

const none: GpuWish = { min: 0, max: 0, vendor: '', memoryBytes: 0, minCapability: 0, maxCapability: 0, minDriver: '' }

const { gpus: maxGpus, gpuMemoryBytes: maxBytes, minGpuMemoryBytes: minBytes } = jobLimits

const capabilityPattern = /^(\d{1,2})\.(\d)$/
export const capabilityForm = 'a number with one decimal, in quotes: "8.6"'

/** `8.6` is 86; undefined: it is none. */
export function parseCapability(text: string): number | undefined {
  const [, major, minor] = capabilityPattern.exec(text) ?? []
  return major === undefined ? undefined : Number(major) * 10 + Number(minor)
}

export function capabilityText(capability: number): string {
  return (capability / 10).toFixed(1)
}

export function gpus(): FieldType<GpuWish | undefined> {
  return asked<GpuWish>({
    read(value, path, refuse) {
      if (!isMapping(value)) {
        const count = readCount(value, path, refuse)
        return count === undefined ? undefined : { ...none, min: count }
      }
      const read = readKeys<Omit<GpuWish, 'memoryBytes'> & { readonly memory: number }>(
        value,
        path,
        refuse,
        {
          ...{ min: readCount, max: readCount, vendor: readText, memory: readMemory },
          ...{ minCapability: readCapability, maxCapability: readCapability, minDriver: readText },
        },
        { ...none, memory: 0 },
      )
      if (!read) return undefined
      const { memory: memoryBytes, ...rest } = read
      return { ...rest, memoryBytes }
    },
    write(wish) {
      const { min, max, vendor, memoryBytes, minCapability, maxCapability, minDriver } = wish
      const isPlain = vendor === '' && memoryBytes + minCapability + maxCapability === 0 && minDriver === ''
      if (isPlain && min === max) return min
      const written = {
        ...{ min, max, vendor, memory: memoryBytes && exactBytes(memoryBytes) },
        minCapability: minCapability && capabilityText(minCapability),
        maxCapability: maxCapability && capabilityText(maxCapability),
        minDriver,
      }
      return Object.fromEntries(Object.entries(written).filter(([, value]) => value !== '' && value !== 0))
    },
    check: checkWish,
    schema: {
      oneOf: [
        { type: 'integer', minimum: 1, maximum: maxGpus },
        {
          type: 'object',
          properties: {
            min: { type: 'integer', minimum: 1, maximum: maxGpus },
            max: { type: 'integer', minimum: 1, maximum: maxGpus },
            vendor: { enum: [...gpuVendors] },
            memory: { type: 'string', pattern: bytesPattern },
            minCapability: { type: 'string', pattern: capabilityPattern.source },
            maxCapability: { type: 'string', pattern: capabilityPattern.source },
            minDriver: { type: 'string', pattern: versionPattern },
          },
          additionalProperties: false,
        },
      ],
    },
    documented: { min: '1', max: String(maxGpus) },
  })
}

function checkWish(raw: GpuWish, path: string, refuse: Refuse): GpuWish {
  const count = { min: 1, max: maxGpus, show: String }
  const min = within(raw.min || 1, `${path}.min`, refuse, count)
  const max = within(raw.max || min, `${path}.max`, refuse, count)
  if (max < min) refuse(`${path}.max`, max, 'below gpus.min', `a whole number from ${min} to ${maxGpus}`)
  const { vendor, memoryBytes, minCapability, maxCapability, minDriver } = raw
  if (vendor !== '' && !(gpuVendors as readonly string[]).includes(vendor)) {
    refuse(`${path}.vendor`, vendor, 'not known', gpuVendors.join(', '))
  }
  if (memoryBytes !== 0) within(memoryBytes, `${path}.memory`, refuse, { min: minBytes, max: maxBytes, show: bytesText })
  for (const [name, capability] of Object.entries({ minCapability, maxCapability })) {
    if (capability !== 0) within(capability, `${path}.${name}`, refuse, { min: 1, max: 999, show: capabilityText })
  }
  if (maxCapability > 0 && maxCapability < minCapability) {
    refuse(`${path}.maxCapability`, capabilityText(maxCapability), 'below minCapability', capabilityText(minCapability))
  }
  const isDriver = minDriver === '' || isVersion(minDriver)
  if (!isDriver) refuse(`${path}.minDriver`, minDriver, 'not a version', versionForm)
  const driver = isDriver && minDriver !== '' ? plainVersion(minDriver) : ''
  return { min, max, vendor, memoryBytes, minCapability, maxCapability, minDriver: driver }
}

function readCount(value: unknown, path: string, refuse: Refuse): number | undefined {
  if (typeof value === 'number' && Number.isInteger(value) && value !== 0) return value
  return wrongShape(value, path, refuse, 'not a whole number', `a whole number from 1 to ${maxGpus}`)
}

function readText(value: unknown, path: string, refuse: Refuse): string | undefined {
  if (typeof value === 'string' && value !== '') return value
  return wrongShape(value, path, refuse, 'not a text: put it in quotes', `${gpuVendors.join(', ')}, or ${versionForm}`)
}

function readMemory(value: unknown, path: string, refuse: Refuse): number | undefined {
  const parsed = typeof value === 'string' ? parseBytes(value) : undefined
  return parsed || wrongShape(value, path, refuse, 'not a size in whole bytes', '16GiB')
}

function readCapability(value: unknown, path: string, refuse: Refuse): number | undefined {
  const parsed = typeof value === 'string' ? parseCapability(value) : undefined
  return parsed || wrongShape(value, path, refuse, 'not a compute capability', capabilityForm)
}
