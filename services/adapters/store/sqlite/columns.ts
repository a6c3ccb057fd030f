/**
 * The columns that jobs are listed and counted by, in memory: one row per job id, in chunks of consecutive ids. The writer
 * writes them after each commit and before it is acknowledged; the reader's thread reads the same memory.
 *
 * A guide, never the truth: a text is there as its hash, and a row may change while it is read. What is found here is looked
 * at in the database before it is listed. 53 bytes per job, that is 53 MB per million; a chunk goes when its last job does.
 */

export const chunkJobs = 65_536

export type Chunk = {
  readonly number: number
  readonly buffer: SharedArrayBuffer
  /** 0: no job; else 1 more than the code of its state. */
  readonly state: Uint8Array
  readonly owner: Int32Array
  /** Hashes; 0: none. */
  readonly site: Int32Array
  readonly cloud: Int32Array
  readonly name: Float64Array
  readonly jobGroup: Float64Array
  readonly jobType: Float64Array
  readonly submitted: Float64Array
  readonly changed: Float64Array
}

/** `words`: the texts of the hashes of sites and clouds; there are few. */
export type Columns = { readonly chunks: Map<number, Chunk>; readonly words: Map<number, string> }

/** What the writer's thread says to the reader's. */
export type ColumnNews =
  | { readonly chunk: number; readonly buffer: SharedArrayBuffer }
  | { readonly dropped: number }
  | { readonly hash: number; readonly word: string }

const longBytes = 8 * chunkJobs
const shortBytes = 4 * chunkJobs
const bytesPerChunk = 5 * longBytes + 3 * shortBytes + chunkJobs

export function newChunk(number: number, buffer = new SharedArrayBuffer(bytesPerChunk)): Chunk {
  const long = (at: number) => new Float64Array(buffer, at * longBytes, chunkJobs)
  const short = (at: number) => new Int32Array(buffer, 5 * longBytes + at * shortBytes, chunkJobs)
  return {
    number,
    buffer,
    name: long(0),
    jobGroup: long(1),
    jobType: long(2),
    submitted: long(3),
    changed: long(4),
    owner: short(0),
    site: short(1),
    cloud: short(2),
    state: new Uint8Array(buffer, 5 * longBytes + 3 * shortBytes, chunkJobs),
  }
}

export function newColumns(): Columns {
  return { chunks: new Map(), words: new Map() }
}

/** The reader's side. */
export function takeNews({ chunks, words }: Columns, news: ColumnNews): void {
  if ('dropped' in news) chunks.delete(news.dropped)
  else if ('word' in news) words.set(news.hash, news.word)
  else chunks.set(news.chunk, newChunk(news.chunk, news.buffer))
}

export function chunkOf(id: number): number {
  return Math.floor(id / chunkJobs)
}

/** In the order of their ids, or in the opposite one. */
export function chunksInOrder({ chunks }: Columns, isDescending: boolean): readonly Chunk[] {
  return [...chunks.values()].sort((a, b) => (isDescending ? b.number - a.number : a.number - b.number))
}
