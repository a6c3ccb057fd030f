/**
 * The bound of the write-ahead log beside a reader. SQLite starts the log anew only at a moment without a read that needs
 * it: where one read follows another that moment may never come. So a writer whose log has grown too far holds the reader
 * back until the log is empty. The flag is in memory that both threads share.
 */

/** Some 8000 pages: eight times what the log grows to before SQLite writes it back. */
export const maxLogBytes = 32 * 1024 * 1024

/** A reader goes on after this long without a word from the writer: then the log does not grow either. */
const maxHeldBackMs = 50

const held = 1
const free = 0

export type ReaderFlag = Int32Array<SharedArrayBuffer>

export function newReaderFlag(): ReaderFlag {
  return new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
}

/** For the writer, after each commit. `emptyLog` answers false while a read is under way. */
export function boundLog(flag: ReaderFlag, logBytes: number, emptyLog: () => boolean): void {
  if (logBytes <= maxLogBytes) return
  Atomics.store(flag, 0, held)
  if (!emptyLog()) return
  Atomics.store(flag, 0, free)
  Atomics.notify(flag, 0)
}

/** For the reader, before each slice. Blocks its thread while it is held back. */
export function awaitTurn(flag: ReaderFlag): void {
  if (Atomics.wait(flag, 0, held, maxHeldBackMs) === 'timed-out') Atomics.store(flag, 0, free)
}
