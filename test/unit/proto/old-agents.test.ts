/** Agents of older versions send fields that are read no more; what they send beside them arrives as before. */

import { BinaryWriter } from '@bufbuild/protobuf/wire'
import { expect, test } from 'vitest'
import { pilotMessageOf } from '../../../proto/codec/pilot.ts'
import { BeatRequest, PilotMessage } from '../../../proto/gen/pilotage/v1/vm.ts'

test('the first message of an older pilot', () => {
  const held = new BinaryWriter().uint32(8).uint64(17).uint32(16).uint32(2).finish()
  const hello = new BinaryWriter()
    .uint32(10)
    .string('0.1.0')
    .uint32(16)
    .uint32(4) // cores
    .uint32(24)
    .uint64(1024 ** 3) // memory_bytes
    .uint32(32)
    .uint64(1024 ** 4) // disk_bytes
    .uint32(42)
    .bytes(held)
    .uint32(50)
    .string('namespaces')
    .finish()
  const read = pilotMessageOf(PilotMessage.decode(new BinaryWriter().uint32(10).bytes(hello).finish()))
  expect(read.hello).toEqual({ version: '0.1.0', held: [{ jobId: 17, attempt: 2 }], isolation: 'namespaces' })
})

test('the heartbeat of an older monitor', () => {
  const bytes = new BinaryWriter()
    .uint32(50)
    .string('busy')
    .uint32(72)
    .uint64(60_000) // up_ms
    .uint32(80)
    .uint64(1_700_000_000_000) // clock_ms
    .uint32(98)
    .string('drain')
    .finish()
  expect(BeatRequest.decode(bytes)).toMatchObject({ pilotState: 'busy', wish: 'drain' })
})
