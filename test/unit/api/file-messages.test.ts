/** Messages with pieces of files are the same bytes as those of the generated code, with no more memory than one piece. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { outputChunkBytes } from '../../../core/kernel/limits.ts'
import { GetOutputFileResponse, PutFileRequest, SandboxServiceService } from '../../../proto/gen/pilotage/v1/sandbox.ts'
import { FileChunk, PutOutputFileRequest, VmServiceService } from '../../../proto/gen/pilotage/v1/vm.ts'
import { pieceFrames, withPieceRequests } from '../../../services/api/grpc/file-messages.ts'
import { framed } from '../../e2e/strangers/raw-http2.ts'

const sizes = fc.oneof(fc.nat(300), fc.constantFrom(127, 128, 16_383, 16_384, outputChunkBytes - 1, outputChunkBytes))
const datas = sizes.map((size) => Buffer.alloc(size, `piece ${size} `))
const digests = fc.constantFrom('', 'a'.repeat(64))

describe('an answer', () => {
  const chunk = pieceFrames('fetchInput', (message) => framed(Buffer.from(FileChunk.encode(message as never).finish())))
  const piece = pieceFrames('getOutputFile', (message) =>
    framed(Buffer.from(GetOutputFileResponse.encode(message as never).finish())),
  )

  it('is the frame that grpc-js would send', () => {
    const files = fc.option(
      digests.map((digest) => ({ path: 'a', bytes: 1, digest, executable: true })),
      { nil: undefined },
    )
    fc.assert(
      fc.property(datas, files, (data, file) => {
        const wanted = framed(Buffer.from(FileChunk.encode({ data }).finish()))
        expect(chunk?.({ data }).equals(wanted)).toBe(true)
        const wantedPiece = framed(Buffer.from(GetOutputFileResponse.encode({ file, data }).finish()))
        expect(piece?.({ file, data }).equals(wantedPiece)).toBe(true)
      }),
    )
  })

  it('stands where the one before stood', () => {
    const [first, second] = ['a', 'b'].map((letter) => chunk?.({ data: Buffer.alloc(outputChunkBytes, letter) }))
    expect(second?.buffer).toBe(first?.buffer)
    expect(first?.at(-1)).toBe('b'.charCodeAt(0))
  })

  it('of another method, or above the size of a piece, is left to grpc-js', () => {
    expect(pieceFrames('listOutputFiles', () => Buffer.alloc(0))).toBeUndefined()
    const otherwise = pieceFrames('fetchInput', () => Buffer.from('otherwise'))
    expect(otherwise?.({ data: Buffer.alloc(outputChunkBytes + 1) }).toString()).toBe('otherwise')
  })
})

describe('a request', () => {
  const { putFile } = withPieceRequests(SandboxServiceService)
  const { putOutputFile, beat } = withPieceRequests(VmServiceService)

  it('is what the generated code reads', () => {
    fc.assert(
      fc.property(datas, digests, fc.nat(1), (data, digest, bytes) => {
        const put = putFile.requestDeserialize(Buffer.from(PutFileRequest.encode({ digest, bytes, data }).finish()))
        expect({ ...put, data: put.data.equals(data) }).toEqual({ digest, bytes, data: true })
        const output = PutOutputFileRequest.fromPartial({ digest, bytes, data })
        const kept = putOutputFile.requestDeserialize(Buffer.from(PutOutputFileRequest.encode(output).finish()))
        expect({ ...kept, data: kept.data.equals(data) }).toEqual({ ...output, data: true })
      }),
    )
  })

  it('is what the generated code reads, or refused as there, whatever bytes come', () => {
    const read = (decode: (bytes: Buffer) => unknown, bytes: Buffer): unknown => {
      try {
        return decode(bytes)
      } catch {
        return 'refused'
      }
    }
    const anything = fc.uint8Array({ maxLength: 40 }).map((rest) => Buffer.from(rest))
    const headed = fc.tuple(fc.nat(60), anything).map(([length, rest]) => Buffer.concat([Buffer.from([26, length]), rest]))
    fc.assert(
      fc.property(fc.oneof(anything, headed), (bytes) => {
        const wanted = read((given) => PutFileRequest.decode(given), bytes)
        expect(read(putFile.requestDeserialize, bytes)).toEqual(wanted)
      }),
      { numRuns: 2000 },
    )
  })

  it('with a piece has its data where it came', () => {
    const bytes = Buffer.from(PutFileRequest.encode({ digest: '', bytes: 0, data: Buffer.alloc(1000, 7) }).finish())
    const { data } = putFile.requestDeserialize(bytes)
    bytes.fill(8)
    expect(data).toEqual(Buffer.alloc(1000, 8))
  })

  it('of another method is left alone', () => {
    expect(beat.requestDeserialize).toBe(VmServiceService.beat.requestDeserialize)
  })
})
