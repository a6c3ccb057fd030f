import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { type CommandStartedEvent, type Db, type Document, GridFSBucket, MongoClient } from 'mongodb'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sleep, systemClock, until } from '../../core/kernel/clock.ts'
import type { PilotageError } from '../../core/kernel/errors.ts'
import type { JobId } from '../../core/kernel/ids.ts'
import type { Sandbox } from '../../core/ports/sandbox.ts'
import { gridSandbox } from '../../services/adapters/store/mongo/grid-sandbox.ts'
import { sandboxContract } from '../contract/sandbox.ts'
import type { MongoServers } from './mongo-servers.ts'
import { startMongo, whyNotOurs } from './servers.ts'

const clock = systemClock()
const chunkBytes = 255 * 1024
let mongo: MongoServers
let client: MongoClient
const clients: MongoClient[] = []

beforeAll(async () => {
  // With test commands, a server fails as the test asks.
  mongo = await startMongo({ members: 3, parameters: { enableTestCommands: 1 } })
  client = newClient()
})
afterAll(async () => {
  await Promise.all(clients.map((one) => one.close()))
  await mongo?.stop()
})

/** With the weakest of promises, so that whatever is promised is the sandbox's own. */
function newClient(): MongoClient {
  const one = new MongoClient(mongo.url, { writeConcern: { w: 1 }, readConcern: { level: 'local' }, monitorCommands: true })
  clients.push(one)
  return one
}

const attempt = (jobId: number, number = 1) => ({ jobId: jobId as JobId, attempt: number })

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text)
}

async function read(sandbox: Sandbox, jobId: number): Promise<string | undefined> {
  const found = await sandbox.read(attempt(jobId), 'stdout')
  if (!found) return undefined
  const parts: Uint8Array[] = []
  for await (const part of found) parts.push(part)
  return Buffer.concat(parts).toString()
}

/** What there is in the database of a job, or of all. */
async function left(db: Db, jobId?: number): Promise<{ readonly files: number; readonly chunks: number }> {
  const of = (field: string) => (jobId === undefined ? {} : { [`${field}.jobId`]: jobId })
  return {
    files: await db.collection('sandbox.files').countDocuments(of('_id')),
    chunks: await db.collection('sandbox.chunks').countDocuments(of('files_id')),
  }
}

sandboxContract('GridFS, a replica set of three', async () => gridSandbox(client.db(mongo.newDatabase())))

describe('an output in GridFS', () => {
  it('is read by any other that knows the format', async () => {
    const db = client.db(mongo.newDatabase())
    const text = 'output '.repeat(100_000)
    await gridSandbox(db).keep(attempt(7), 'stdout', pieces(text))
    const bucket = new GridFSBucket(db, { bucketName: 'sandbox' })
    const parts: Uint8Array[] = []
    for await (const part of bucket.openDownloadStreamByName('7/1.stdout')) parts.push(part as Uint8Array)
    expect(Buffer.concat(parts).toString()).toBe(text)
    expect(await left(db)).toEqual({ files: 1, chunks: Math.ceil(text.length / chunkBytes) })
  })

  it('is one of those that were kept at the same time, and then the one that came after them', async () => {
    const database = mongo.newDatabase()
    const sandboxes = [client, newClient()].map((one) => gridSandbox(one.db(database)))
    const texts = Array.from({ length: 12 }, (_, at) => String(at).repeat(chunkBytes + 1))
    const keepings = texts.map((text, at) => (sandboxes[at % 2] as Sandbox).keep(attempt(1), 'stdout', pieces(text)))
    const outcomes = await Promise.allSettled(keepings)
    // Some may be refused because another wrote after them: without another try, what they wrote would be lost.
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
    expect(refused.filter((error: PilotageError) => error.code !== 'unavailable')).toEqual([])
    expect(refused.length).toBeLessThan(texts.length)
    for (const sandbox of sandboxes) expect(texts).toContain(await read(sandbox, 1))
    for (const text of ['after', 'and after'])
      for (const sandbox of sandboxes) {
        await sandbox.keep(attempt(1), 'stdout', pieces(text))
        for (const reader of sandboxes) expect(await read(reader, 1)).toBe(text)
        expect(await left(client.db(database))).toEqual({ files: 1, chunks: 1 })
      }
  })

  it('is never given as a shorter one', async () => {
    const db = client.db(mongo.newDatabase())
    const sandbox = gridSandbox(db)
    await sandbox.keep(attempt(1), 'stdout', pieces('x'.repeat(2 * chunkBytes)))
    const found = await sandbox.read(attempt(1), 'stdout')
    await db.collection('sandbox.chunks').deleteOne({ n: 1 }, { writeConcern: { w: 'majority' } })
    const reading = (async () => {
      for await (const _ of found ?? []);
    })()
    await expect(reading).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('stdout of 1.1') })
  })
})

describe('a crash in between', () => {
  /** A process that was killed with a part of the output written. */
  async function crashed(database: string, jobId: number, bytes: number): Promise<void> {
    const script = join(import.meta.dirname, 'half-keeping.ts')
    const child: ChildProcess = spawn(process.execPath, [script, mongo.url, database, String(jobId), String(bytes)])
    let said = ''
    child.stdout?.on('data', (text: Buffer) => {
      said += text
    })
    child.stderr?.on('data', (text: Buffer) => {
      said += text
    })
    try {
      expect(await until(clock, () => said.includes('waiting'), { withinMs: 60_000 }), said).toBe(true)
    } finally {
      const over = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await over
    }
  }

  it('leaves the old output, and nothing after the next keeping', async () => {
    const database = mongo.newDatabase()
    const db = client.db(database)
    const sandbox = gridSandbox(db)
    await sandbox.keep(attempt(1), 'stdout', pieces('old'))
    // Once with a part of its chunks, once with all of them.
    await crashed(database, 1, chunkBytes + 1)
    await crashed(database, 1, 3 * chunkBytes)
    expect(await left(db)).toEqual({ files: 1, chunks: 1 + 1 + 3 })
    expect(await read(sandbox, 1)).toBe('old')
    await sandbox.keep(attempt(1), 'stdout', pieces('new'))
    expect(await read(sandbox, 1)).toBe('new')
    expect(await left(db)).toEqual({ files: 1, chunks: 1 })
  })

  it('of the first keeping leaves no output, and nothing after the job is forgotten', async () => {
    const database = mongo.newDatabase()
    const db = client.db(database)
    const sandbox = gridSandbox(db)
    await crashed(database, 1, 3 * chunkBytes)
    expect(await left(db)).toEqual({ files: 0, chunks: 3 })
    expect(await read(sandbox, 1)).toBeUndefined()
    await sandbox.forget([attempt(1).jobId])
    expect(await left(db)).toEqual({ files: 0, chunks: 0 })
  })
})

describe('servers in trouble', () => {
  /** The primary fails these commands until the answer is called. */
  async function failing(commands: readonly string[], errorCode: number): Promise<() => Promise<void>> {
    const { port } = await mongo.primary()
    const direct = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`)
    clients.push(direct)
    const failPoint = (rest: object): Promise<Document> =>
      direct.db('admin').command({ configureFailPoint: 'failCommand', ...rest })
    await failPoint({ mode: 'alwaysOn', data: { failCommands: commands, errorCode } })
    return async () => void (await failPoint({ mode: 'off' }))
  }
  /** Said by a server that has no room. */
  const outOfDisk = 14_031

  it('that write no more make it unavailable, and leave the old output', async (context) => {
    context.skip(whyNotOurs('mongod') !== undefined, whyNotOurs('mongod'))
    const db = client.db(mongo.newDatabase())
    const sandbox = gridSandbox(db)
    await sandbox.keep(attempt(1), 'stdout', pieces('old'))
    const heal = await failing(['insert'], outOfDisk)
    try {
      const keeping = sandbox.keep(attempt(1), 'stdout', pieces('new'))
      await expect(keeping).rejects.toMatchObject({ code: 'unavailable', retryAfterMs: 2000 })
    } finally {
      await heal()
    }
    expect(await read(sandbox, 1)).toBe('old')
    const healFinds = await failing(['find'], outOfDisk)
    try {
      await expect(sandbox.read(attempt(1), 'stdout')).rejects.toMatchObject({ code: 'unavailable' })
    } finally {
      await healFinds()
    }
  })

  it('that remove no more keep the new output all the same, and the next keeping clears up', async (context) => {
    context.skip(whyNotOurs('mongod') !== undefined, whyNotOurs('mongod'))
    const db = client.db(mongo.newDatabase())
    const sandbox = gridSandbox(db)
    await sandbox.keep(attempt(1), 'stdout', pieces('first'))
    const heal = await failing(['delete'], outOfDisk)
    try {
      await sandbox.keep(attempt(1), 'stdout', pieces('second'))
      await expect(sandbox.forget([attempt(1).jobId])).rejects.toMatchObject({ code: 'unavailable' })
    } finally {
      await heal()
    }
    expect(await read(sandbox, 1)).toBe('second')
    expect(await left(db)).toEqual({ files: 2, chunks: 2 })
    await sandbox.keep(attempt(1), 'stdout', pieces('third'))
    expect(await left(db)).toEqual({ files: 1, chunks: 1 })
    expect(await read(sandbox, 1)).toBe('third')
  })

  /** Keeps an output for as long as the servers take, and some more after it. */
  async function keptOver(trouble: () => Promise<unknown>): Promise<void> {
    const sandbox = gridSandbox(client.db(mongo.newDatabase()))
    await sandbox.keep(attempt(1), 'stdout', pieces('old'))
    let given = ''
    async function* during(): AsyncGenerator<Uint8Array> {
      let isOver = false
      const moving = trouble().finally(() => {
        isOver = true
      })
      for (let rest = 10; rest > 0; rest -= isOver ? 1 : 0) {
        const piece = String(rest).padEnd(40_000, 'x')
        given += piece
        yield Buffer.from(piece)
        await sleep(clock, 20)
      }
      await moving
    }
    const outcome = await sandbox.keep(attempt(1), 'stdout', during()).catch((error: unknown) => error)
    // The driver repeats what a server left unanswered once; a second time is for the caller.
    if (typeof outcome === 'number') expect(outcome).toBe(given.length)
    else expect(outcome).toMatchObject({ code: 'unavailable' })
    expect(await read(sandbox, 1)).toBe(typeof outcome === 'number' ? given : 'old')
    await sandbox.keep(attempt(1), 'stdout', pieces('new'))
    expect(await read(sandbox, 1)).toBe('new')
  }

  it('whose primary steps down during an upload keep the whole of it or the old', async (context) => {
    context.skip(whyNotOurs('mongod') !== undefined, whyNotOurs('mongod'))
    await keptOver(() => mongo.stepDown())
  })

  it('whose primary is killed during an upload keep the whole of it or the old', async (context) => {
    context.skip(whyNotOurs('mongod') !== undefined, whyNotOurs('mongod'))
    const first = await mongo.primary()
    await keptOver(async () => {
      await first.kill()
      await mongo.primary()
    })
    await first.start()
  })
})

describe('the wire', () => {
  it('carries a majority for every write, and no question without an index', async () => {
    const watched = newClient()
    const commands: Document[] = []
    watched.on('commandStarted', ({ command }: CommandStartedEvent) => void commands.push(command))
    const db = watched.db(mongo.newDatabase())
    const sandbox = gridSandbox(db)
    const ids = Array.from({ length: 100 }, (_, at) => attempt(at + 1).jobId)
    await Promise.all(ids.map((id) => sandbox.keep(attempt(id), 'stdout', pieces('some text'))))
    // Of all that is asked from here on the server writes down how it found the answer.
    await db.command({ profile: 2 })
    await sandbox.keep(attempt(50), 'stdout', pieces('again'))
    await expect(sandbox.keep(attempt(50), 'stdout', broken())).rejects.toThrow('the stream broke')
    expect(await read(sandbox, 50)).toBe('again')
    await sandbox.forget([3, 4, 5, 20, 90].map((id) => id as JobId))
    await db.command({ profile: 0 })
    const profiled = await db
      .collection('system.profile')
      .find({ ns: /sandbox/, op: { $in: ['query', 'remove', 'update'] } })
      .toArray()
    expect(
      profiled.map(({ op, planSummary }) => `${op} ${planSummary}`).filter((text) => !/ IXSCAN| IDHACK/.test(text)),
    ).toEqual([])
    expect(profiled.filter(({ op }) => op === 'remove').length).toBeGreaterThanOrEqual(5)
    // Nothing is looked at but what is meant: two rounds at most of one output, or five outputs at once.
    expect(Math.max(...profiled.map(({ keysExamined }) => Number(keysExamined)))).toBeLessThan(10)
    const ours = commands.filter((one) => 'insert' in one || 'delete' in one || 'find' in one).filter(isOfSandbox)
    const majority = { w: 'majority', j: true, wtimeout: 10_000 }
    const writes = ours.filter((one) => !('find' in one))
    expect(writes.filter(({ writeConcern }) => writeConcern?.w !== 'majority' || writeConcern?.j !== true)).toEqual([])
    expect(writes[0]?.writeConcern).toEqual(majority)
    const levels = new Set(ours.filter((one) => 'find' in one).map(({ readConcern }) => readConcern?.level))
    expect([...levels].sort()).toEqual(['local', 'majority'])
  })
})

function isOfSandbox(command: Document): boolean {
  return /^sandbox\./.test(String(command.insert ?? command.delete ?? command.find))
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(2 * chunkBytes)
  throw new Error('the stream broke')
}
