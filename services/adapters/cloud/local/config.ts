/** The keys of a cloud of kind local, under `local`, and what a local cloud has where its configuration names nothing. */

import { duration, mapping, optional, type Read } from '../../../config/fields.ts'
import type { DriverSchema } from '../../../config/driver-schema.ts'
import type { RawFlavor } from '../../../config/flavors.ts'
import { noAmounts } from '../../../../core/model/resources.ts'

const gib = 1024 ** 3
const maxBootDelayMs = 10 * 60_000

export type LocalConfig = { readonly bootDelayMs: number }

const flavors: readonly RawFlavor[] = [1, 2, 4].map((cores) => ({
  name: `${cores}-core`,
  ref: undefined,
  cores,
  ...noAmounts,
  memoryBytes: cores * 2 * gib,
  diskBytes: cores * 4 * gib,
  pricePerHour: cores * 0.01,
  tags: [],
  // In no benchmark: a second of CPU work is a second of one core of this machine.
  traits: { power: 1 },
}))

const keys = mapping({ bootDelay: optional(duration(0, maxBootDelayMs), 0) })

export type RawLocal = Read<typeof keys>

export const schema: DriverSchema<RawLocal, LocalConfig> = {
  keys,
  flavors,
  images: [{ name: 'plain', ref: undefined, platform: 'linux', tags: [] }],
  check() {},
  compile: ({ bootDelay }) => ({ bootDelayMs: bootDelay }),
}
