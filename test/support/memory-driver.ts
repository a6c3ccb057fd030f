/**
 * A driver of a kind that the program does not know, whose machines are in memory: what docs/how-to/add-a-cloud.md asks for,
 * in one file. Remembers what it was opened with.
 */

import { seededRandom } from '../../core/kernel/random.ts'
import type { Driver, OpenOptions } from '../../services/adapters/cloud/kit/driver.ts'
import {
  mapping,
  needed,
  optional,
  placedBy,
  type Read,
  type SecretSource,
  secretSource,
  whole,
} from '../../services/config/fields.ts'
import type { DriverSchema } from '../../services/config/driver-schema.ts'
import { fakeCloud } from '../../sim/fake-cloud.ts'

const keys = mapping({ rows: optional(whole(1, 10), 2), password: needed(secretSource) })
type RawMemory = Read<typeof keys>
type MemoryConfig = { readonly rows: number; readonly password: SecretSource }

const schema: DriverSchema<RawMemory, MemoryConfig> = {
  keys,
  check({ rows }, { flavors }, path, violations) {
    if (flavors.length > rows) violations.add(`${path}.memory.rows`, rows, 'too few', 'one per flavor or more')
  },
  compile: ({ rows, password }, placed) => ({ rows, password: placedBy(password, placed) }),
}

export const opened: OpenOptions[] = []

export const driver: Driver<RawMemory, MemoryConfig> = {
  kind: 'memory',
  schema,
  traits: {
    isOnThisMachine: false,
    isLent: false,
    startsImages: true,
    takesDelivery: true,
    userData: { maxBytes: 20_000, counted: 'base64' },
  },
  secrets: ({ password }, path, reader) => ({ password: reader.secret(`${path}.password`, password) }),
  async open(_options, given) {
    opened.push(given)
    return fakeCloud({ name: given.name, clock: given.clock, random: seededRandom(1) })
  },
}
