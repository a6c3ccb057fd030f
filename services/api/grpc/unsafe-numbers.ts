/**
 * Which numbers of a message are beyond what this program counts with: whole numbers of 64 bits above 2^53. Such a message
 * is not decoded, and its bytes say which fields have to change.
 *
 * Walks the bytes by the contract, so every field of every method is covered. Only for messages that were refused: it costs
 * as much as decoding.
 */

import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf'
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import type { Violation } from '../../../core/kernel/errors.ts'
import { contractTypes } from './descriptors.ts'

const maxNumber = BigInt(Number.MAX_SAFE_INTEGER)
const minNumber = BigInt(Number.MIN_SAFE_INTEGER)
/** What one refusal names. */
const maxViolations = 100

type Walk = { readonly reader: BinaryReader; readonly violations: Violation[] }

/**
 * `before`: how many elements of a repeated field came before these bytes, by its name. Empty for bytes that are no message.
 */
export function unsafeNumbers(
  message: string,
  bytes: Uint8Array,
  before: Readonly<Record<string, number>> = {},
): readonly Violation[] {
  const type = contractTypes().getMessage(message)
  if (!type) return []
  const walk: Walk = { reader: new BinaryReader(bytes), violations: [] }
  try {
    walkMessage(walk, type, bytes.length, '', before)
  } catch {
    // What was found until the bytes stop being a message is true all the same.
  }
  return walk.violations
}

function walkMessage(
  walk: Walk,
  type: DescMessage,
  end: number,
  path: string,
  before: Readonly<Record<string, number>>,
): void {
  const { reader, violations } = walk
  const positions = new Map<string, number>(Object.entries(before))
  while (reader.pos < end && violations.length < maxViolations) {
    const [number, wireType] = reader.tag()
    const field = type.fields.find((each) => each.number === number)
    if (!field) {
      reader.skip(wireType, number)
      continue
    }
    const next = (): string => {
      if (field.fieldKind !== 'list') return `${path}${field.name}`
      const at = positions.get(field.name) ?? 0
      positions.set(field.name, at + 1)
      return `${path}${field.name}[${at}]`
    }
    walkField(walk, field, wireType, next)
  }
}

/** `next` gives the path of the field, or of its next element. */
function walkField(walk: Walk, field: DescField, wireType: WireType, next: () => string): void {
  const { reader } = walk
  const read = readerOf(field)
  if (wireType === WireType.LengthDelimited && (field.message || read)) {
    const end = reader.uint32() + reader.pos
    if (field.message) {
      const isMap = field.fieldKind === 'map'
      if (!isMap) walkMessage(walk, field.message, end, `${next()}.`, {})
      reader.pos = end
    } else {
      while (reader.pos < end) note(walk, next(), read?.(reader) ?? 0)
    }
  } else if (read && wireType !== WireType.LengthDelimited) note(walk, next(), read(reader))
  else {
    next()
    reader.skip(wireType, field.number)
  }
}

function note({ violations }: Walk, path: string, given: bigint | number | string): void {
  const value = BigInt(given)
  if (value >= minNumber && value <= maxNumber) return
  violations.push({ path, value: String(value), rule: 'out of range', accepted: `a whole number of at most ${maxNumber}` })
}

type Read = (reader: BinaryReader) => bigint | number | string

const readers: Partial<Record<ScalarType, Read>> = {
  [ScalarType.UINT64]: (reader) => reader.uint64(),
  [ScalarType.INT64]: (reader) => reader.int64(),
  [ScalarType.SINT64]: (reader) => reader.sint64(),
  [ScalarType.FIXED64]: (reader) => reader.fixed64(),
  [ScalarType.SFIXED64]: (reader) => reader.sfixed64(),
}

function readerOf(field: DescField): Read | undefined {
  return (field.fieldKind === 'scalar' || (field.fieldKind === 'list' && field.listKind === 'scalar')) &&
    field.scalar !== undefined
    ? readers[field.scalar]
    : undefined
}
