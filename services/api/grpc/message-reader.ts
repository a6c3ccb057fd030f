/**
 * Cuts a stream's bytes into messages, in place of grpc-js's own reader, which has one limit for all methods and takes 16
 * MiB of every caller before it asks who that is.
 *
 * What stays true: a message above its method's limit is refused at its head; a compressed one is refused and never
 * unpacked; bytes are copied into one buffer, so that a caller who sends them one at a time costs no more than their number;
 * what is held of unfinished large messages is counted by a meter; and a message that is not complete in time ends the call.
 */

import type { Clock, Timer } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { PieceBuffers } from './piece-buffers.ts'

/** What callers may hold in unfinished messages. False: not now. */
export type Meter = { take(bytes: number): boolean; give(bytes: number): void }

export type ReaderOptions = {
  readonly clock: Clock
  readonly maxBytes: number
  readonly withinMs: number
  /** One message is all that comes: what it holds is given back when the call ends, not when it is complete. */
  readonly single: boolean
  /** Messages up to this size are not metered. */
  readonly freeBytes: number
  readonly meter: Meter
  /** For the messages of a method whose handler gives them back; absent: it does not. */
  readonly buffers?: PieceBuffers
  /** A message is whole. */
  onMessage(bytes: number): void
  /** Called at most once; from then on nothing is read. */
  refuse(error: PilotageError): void
}

export type MessageReader = {
  /** Whole messages, each with its five bytes of framing, as grpc-js wants them. */
  write(bytes: Buffer): Buffer[]
  /** Nothing more comes: the call may take its time now. */
  ended(): void
  /** Gives back what is held. */
  close(): void
}

const headBytes = 5
const firstBytes = 4096

export function messageReader(options: ReaderOptions): MessageReader {
  const reading: Reading = {
    options,
    head: Buffer.alloc(headBytes),
    headLength: 0,
    message: Buffer.alloc(0),
    length: 0,
    wanted: 0,
    held: 0,
    closed: false,
  }
  awaitMessage(reading)
  return {
    write: (bytes) => write(reading, bytes),
    ended: () => stopWaiting(reading),
    close: () => close(reading),
  }
}

type Reading = {
  readonly options: ReaderOptions
  readonly head: Buffer
  headLength: number
  /** What has come of the message, framing included: `length` bytes of it. */
  message: Buffer
  length: number
  wanted: number
  /** Metered. */
  held: number
  closed: boolean
  late?: Timer
}

function write(reading: Reading, bytes: Buffer): Buffer[] {
  const { head } = reading
  const whole: Buffer[] = []
  let at = 0
  while (!reading.closed && at < bytes.length) {
    awaitMessage(reading)
    if (reading.headLength < headBytes) {
      const taken = bytes.copy(head, reading.headLength, at, at + headBytes - reading.headLength)
      reading.headLength += taken
      at += taken
      if (reading.headLength < headBytes) break
      begin(reading)
    } else {
      const taken = Math.min(bytes.length - at, headBytes + reading.wanted - reading.length)
      makeRoom(reading, taken)
      bytes.copy(reading.message, reading.length, at, at + taken)
      reading.length += taken
      at += taken
    }
    if (!reading.closed && reading.length === headBytes + reading.wanted) whole.push(finish(reading))
  }
  return whole
}

function awaitMessage(reading: Reading): void {
  const { clock, withinMs } = reading.options
  reading.late ??= clock.after(withinMs, () =>
    refuse(reading, new PilotageError('unavailable', `a message was not complete within ${withinMs} ms`)),
  )
}

/** The head is complete. */
function begin(reading: Reading): void {
  const { maxBytes, freeBytes, meter, buffers } = reading.options
  reading.wanted = reading.head.readUInt32BE(1)
  const { wanted } = reading
  if (reading.head.readUInt8(0) !== 0) {
    refuse(reading, new PilotageError('unsupported', 'a compressed message; accepted: identity'))
  } else if (wanted > maxBytes) {
    const text = `a message of ${wanted} bytes is larger than the maximum of this method, ${maxBytes}`
    refuse(reading, new PilotageError('too-large', text))
  } else if (wanted > freeBytes && !meter.take(wanted)) {
    const text = 'too many large messages are under way'
    refuse(reading, new PilotageError('overloaded', text, { retryAfterMs: 1000 }))
  } else {
    if (wanted > freeBytes) reading.held += wanted
    // A large one has its place already: made at once it is never copied, and what does not come of it takes no memory.
    const room = wanted > freeBytes ? wanted : Math.min(wanted, firstBytes)
    reading.message = buffers?.take(headBytes + wanted) ?? Buffer.allocUnsafe(headBytes + room)
    reading.head.copy(reading.message)
    reading.length = headBytes
  }
}

function makeRoom(reading: Reading, bytes: number): void {
  const { message, length, wanted } = reading
  if (length + bytes <= message.length) return
  const larger = Buffer.allocUnsafe(Math.min(headBytes + wanted, Math.max(2 * message.length, length + bytes)))
  message.copy(larger, 0, 0, length)
  reading.message = larger
}

/** The message is handed on; what comes next is another one. */
function finish(reading: Reading): Buffer {
  const whole = reading.message.subarray(0, reading.length)
  reading.options.onMessage(reading.wanted)
  if (!reading.options.single) giveBack(reading)
  reading.message = Buffer.alloc(0)
  reading.headLength = 0
  reading.length = 0
  // One that is alone must be followed by the end of the caller's side.
  if (!reading.options.single) stopWaiting(reading)
  return whole
}

function refuse(reading: Reading, error: PilotageError): void {
  close(reading)
  reading.options.refuse(error)
}

function stopWaiting(reading: Reading): void {
  reading.late?.cancel()
  reading.late = undefined
}

function close(reading: Reading): void {
  reading.closed = true
  stopWaiting(reading)
  giveBack(reading)
  reading.options.buffers?.give(reading.message)
  reading.message = Buffer.alloc(0)
}

function giveBack(reading: Reading): void {
  if (reading.held > 0) reading.options.meter.give(reading.held)
  reading.held = 0
}
