/**
 * The move scenario: an installation's store goes from one machine to MongoDB and back, by the commands that an operator
 * uses.
 *
 * The first import is killed by `kill -9` on its way: no service may start on half of a store, and the same command goes on.
 * Equal is what is equal as text: the archives are unpacked and compared here, without the product's own digests.
 */

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createGunzip } from 'node:zlib'
import { sleep } from '../../core/kernel/clock.ts'
import { openSqliteStore } from '../../services/adapters/store/sqlite/sqlite-store.ts'
import { neededPeer } from '../peers/find-peers.ts'
import { openMongo } from '../peers/mongo-servers.ts'
import { programLine } from '../support/program.ts'
import { connectAdmin, serviceFiles, startServiceProcess } from '../support/service-process.ts'
import { freePorts } from '../support/free-ports.ts'
import { countOf, makePast } from './move-past.ts'
import { type Outcome, promised, type Scenario, type Stage } from './scenario.ts'

const jobs = 100_000

/** When the first import is killed, after it has begun to write. */
const cutAfterMs = 1500

export const move: Scenario = {
  name: 'move',
  about: `${jobs} jobs from the embedded store into MongoDB and back, one import killed on its way`,
  async run(stage) {
    const mongo = await openMongo({
      clock: stage.clock,
      place: neededPeer(stage.peers, 'mongod', true),
      dir: stage.dir,
      members: 1,
    })
    try {
      return await play(stage, mongo.url, mongo.newDatabase())
    } finally {
      await mongo.stop()
    }
  },
}

async function play(stage: Stage, url: string, database: string): Promise<Outcome> {
  const { clock, dir, say } = stage
  const [first, last] = [join(dir, 'first'), join(dir, 'last')]
  mkdirSync(first)
  const store = await openSqliteStore(join(first, 'pilotage.db'), clock)
  await makePast(store, stage.random, jobs)
  const made = await countOf(store)
  await store.close()
  say(`${made} jobs are in ${first}`)

  const [port = 0, pagePort = 0] = await freePorts(2)
  const ports = { grpc: { port }, dashboard: { port: pagePort } }
  const files = serviceFiles(dir, { ...ports, store: { kind: 'mongo', url, database }, clouds: [] })
  const inMongo = ['--config', files.configPath]
  const archive = (name: string): string => join(dir, `${name}.gz`)

  const seconds: Record<string, number> = {}
  const run = async (name: string, words: readonly string[]): Promise<void> => {
    const beginMs = clock.monotonicMs()
    const { code, text } = await command(words).over
    if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}: ${text}`)
    seconds[`${name}_s`] = Math.round((clock.monotonicMs() - beginMs) / 100) / 10
    say(text.trim().split('\n').at(-1) ?? '')
  }

  await run('export', ['store', 'export', '--data', first, '--to', archive('first')])
  const cut = command(['store', 'import', ...inMongo, '--from', archive('first')])
  await cut.says(/import: writing/)
  await sleep(clock, cutAfterMs)
  const wasCut = cut.kill()
  await cut.over
  const served = startServiceProcess(clock, files)
  const refused = (await served.ended()) !== 0 && served.log().includes('store-failed')
  say(`the import was killed; a service on half a store: ${refused ? 'refused' : 'NOT refused'}`)

  await run('import', ['store', 'import', ...inMongo, '--from', archive('first')])
  await run('export_mongo', ['store', 'export', ...inMongo, '--to', archive('moved')])
  await run('import_back', ['store', 'import', '--data', last, '--from', archive('moved')])
  await run('export_back', ['store', 'export', '--data', last, '--to', archive('last')])
  const contents = await Promise.all(['first', 'moved', 'last'].map((name) => contentOf(archive(name))))
  const isEqual = new Set(contents.map(({ digest }) => digest)).size === 1

  const counted = await countServed(stage, files)
  const archived = contents[0]?.jobs ?? 0
  return {
    figures: {
      jobs: archived,
      equal: isEqual ? 'yes' : 'NO',
      records: contents[0]?.records ?? 0,
      served: counted,
      cut: wasCut ? 'yes' : 'NO',
      refused: refused ? 'yes' : 'NO',
      ...seconds,
    },
    shortfalls: [
      ...promised(made >= jobs && archived === made, `${archived} jobs are in the archive, ${made} in the store`),
      ...promised(isEqual, `the archives differ: ${contents.map(({ digest }) => digest.slice(0, 8)).join(', ')}`),
      ...promised(wasCut, 'the import was over before it was killed'),
      ...promised(refused, 'a service started on half of a store'),
      ...promised(counted === made, `a service on MongoDB lists ${counted} jobs, not ${made}`),
    ],
  }
}

/** How many jobs a service on the moved store lists. */
async function countServed({ clock }: Stage, files: ReturnType<typeof serviceFiles>): Promise<number> {
  const service = startServiceProcess(clock, files)
  const admin = connectAdmin(clock, files, await service.serving(60_000), 30_000)
  try {
    return (await admin.status()).jobs.reduce((sum, { count }) => sum + count, 0)
  } finally {
    admin.close()
    await service.ended('SIGTERM')
  }
}

function command(words: readonly string[]) {
  const child = spawn(process.execPath, programLine(...words), { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  const said = Promise.withResolvers<void>()
  let awaited: RegExp | undefined
  const hear = (piece: Buffer): void => {
    text += piece
    if (awaited?.test(text)) said.resolve()
  }
  child.stdout.on('data', hear)
  child.stderr.on('data', hear)
  const over = new Promise<{ readonly code: number | null; readonly text: string }>((resolve) => {
    child.on('close', (code) => {
      said.resolve()
      resolve({ code, text })
    })
  })
  return {
    over,
    /** Or it is over. */
    says(what: RegExp): Promise<void> {
      awaited = what
      hear(Buffer.alloc(0))
      return said.promise
    },
    /** Whether there was still something to kill. */
    kill: (): boolean => child.exitCode === null && child.kill('SIGKILL'),
  }
}

/** All but the first and the last line, which say when and where from. */
async function contentOf(path: string) {
  const hash = createHash('sha256')
  let [records, found] = [0, 0]
  let before: string | undefined
  for await (const line of createInterface({ input: createReadStream(path).pipe(createGunzip()) })) {
    if (before !== undefined && records > 0) hash.update(`${before}\n`)
    if (before !== undefined) records += 1
    if (line.startsWith('{"section":"jobs",')) found += 1
    before = line
  }
  return { digest: hash.digest('hex'), records: records - 1, jobs: found }
}
