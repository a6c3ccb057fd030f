/**
 * A real MongoDB for a test: a replica set of one or three on loopback, each member a process with a directory of its own,
 * or a running server that another program keeps. Of the latter only databases with fresh names are used, and dropped.
 *
 * A member that was killed comes back on its port with its data. Elections are quick. After `stop` no process and no file
 * of it is left, or `stop` throws.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import { type Clock, until } from '../../core/kernel/clock.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { isRunning } from '../support/processes.ts'
import type { Place } from './peer.ts'
import { quietPorts } from './quiet-ports.ts'
import { type ServerProcess, serverProcess } from './server-process.ts'

export type MongoServers = {
  /** Of all members. */
  readonly url: string
  /** Of the members as they are now. */
  readonly pids: readonly number[]
  /** None where another program keeps the server. */
  readonly members: readonly ServerProcess[]
  /** A database with a fresh name. It goes with `stop`. */
  newDatabase(): string
  /** The member that takes writes now; waits for an election. Not for a server that is not ours. */
  primary(): Promise<ServerProcess>
  /** Makes the primary step down; resolves with the next one, which is another one if there are others. */
  stepDown(): Promise<ServerProcess>
  stop(): Promise<void>
}

export type MongoOrder = {
  readonly clock: Clock
  readonly place: Place
  /** Where its directory is made. */
  readonly dir: string
  readonly members: 1 | 3
  /** `--setParameter`s beside our own. */
  readonly parameters?: Readonly<Record<string, string | number>>
}

const electionMs = 2000
const settledWithinMs = 90_000
/** For a set of one: no other member can take over, so it comes back by itself after this. */
const awaySeconds = 2
const maxStarts = 3

export async function openMongo(order: MongoOrder): Promise<MongoServers> {
  const { place } = order
  if (place.kind === 'url') return foreign(place.url)
  for (let starts = 1; ; starts += 1) {
    const home = mkdtempSync(join(order.dir, 'mongo-'))
    const ports = await quietPorts(order.members)
    const members = ports.map((port) => member(order, place.program, home, port))
    try {
      await Promise.all(members.map((one) => one.start()))
      await initiate(order.clock, members)
      return replicaSet(order.clock, home, members)
    } catch (error) {
      // Another process may have taken a port since we looked.
      await remove(home, members)
      if (starts === maxStarts) throw error
    }
  }
}

function member({ clock, parameters = {} }: MongoOrder, program: string, home: string, port: number): ServerProcess {
  const dir = join(home, String(port))
  mkdirSync(join(dir, 'data'), { recursive: true, mode: 0o700 })
  const settings = {
    diagnosticDataCollectionEnabled: 'false',
    // Else a primary that is asked to end waits 15 s for its clients to notice.
    shutdownTimeoutMillisForSignaledShutdown: 200,
    ...parameters,
  }
  return serverProcess({
    clock,
    program,
    dir,
    port,
    arguments: [
      ...['--replSet', setName, '--dbpath', join(dir, 'data'), '--port', String(port), '--bind_ip', '127.0.0.1'],
      ...['--nounixsocket', '--wiredTigerCacheSizeGB', '0.25', '--oplogSize', '990'],
      ...Object.entries(settings).flatMap(([name, value]) => ['--setParameter', `${name}=${value}`]),
    ],
    answers: () => answers(port),
  })
}

const setName = 'pilotage'
const startingUp = new Set(['STARTUP', 'STARTUP2', 'RECOVERING', 'ROLLBACK', 'UNKNOWN'])

/** Whether it serves; a member of a set that is initiated also has to have found its part in it. */
async function answers(port: number): Promise<boolean> {
  const hello = await ask(port, { hello: 1 })
  if (hello.setName === undefined) return hello.isreplicaset === true
  const { members } = (await ask(port, { replSetGetStatus: 1 })) as { members: { self?: boolean; stateStr: string }[] }
  return members.some(({ self, stateStr }) => self === true && !startingUp.has(stateStr))
}

async function initiate(clock: Clock, members: readonly ServerProcess[]): Promise<void> {
  const [first] = members
  if (!first) throw new Error('a replica set has members')
  await ask(first.port, {
    replSetInitiate: {
      _id: setName,
      members: members.map(({ port }, at) => ({ _id: at, host: `127.0.0.1:${port}` })),
      settings: { electionTimeoutMillis: electionMs, heartbeatIntervalMillis: electionMs / 4 },
    },
  })
  const isSettled = async (): Promise<boolean> => {
    const status = (await ask(first.port, { replSetGetStatus: 1 })) as { members: { stateStr: string }[] }
    const states = status.members.map(({ stateStr }) => stateStr).sort()
    return states[0] === 'PRIMARY' && states.slice(1).every((state) => state === 'SECONDARY')
  }
  const inTime = await until(clock, () => isSettled().catch(() => false), { withinMs: settledWithinMs, everyMs: 100 })
  if (!inTime)
    throw new Error(`the replica set of ${members.length} had no primary and its secondaries within ${settledWithinMs} ms`)
  await primaryOf(clock, members)
}

async function primaryOf(clock: Clock, members: readonly ServerProcess[]): Promise<ServerProcess> {
  let found: ServerProcess | undefined
  await until(
    clock,
    async () => {
      for (const one of members.filter((each) => each.isRunning())) {
        const hello = await ask(one.port, { hello: 1 }).catch(() => undefined)
        if (hello?.isWritablePrimary === true) found = one
      }
      return found !== undefined
    },
    { withinMs: settledWithinMs, everyMs: 50 },
  )
  if (!found) throw new Error(`no member took writes within ${settledWithinMs} ms`)
  return found
}

function replicaSet(clock: Clock, home: string, members: readonly ServerProcess[]): MongoServers {
  return {
    url: `mongodb://${members.map(({ port }) => `127.0.0.1:${port}`).join(',')}/?replicaSet=${setName}`,
    get pids() {
      return members.map(({ pid }) => pid)
    },
    members,
    newDatabase,
    primary: () => primaryOf(clock, members),
    async stepDown() {
      const from = await primaryOf(clock, members)
      const isAlone = members.length === 1
      const seconds = isAlone ? awaySeconds : 20
      await ask(from.port, { replSetStepDown: seconds, secondaryCatchUpPeriodSecs: isAlone ? 0 : 5, force: true })
      return primaryOf(clock, members)
    },
    stop: () => remove(home, members),
  }
}

/** Nothing in it is worth a clean end. */
async function remove(home: string, members: readonly ServerProcess[]): Promise<void> {
  await Promise.all(members.map((one) => one.kill()))
  const left = members.filter(({ pid }) => pid > 0 && isRunning(pid))
  rmSync(home, { recursive: true, force: true })
  if (left.length > 0) throw new Error(`mongod is left running: ${left.map(({ pid }) => pid).join(', ')}`)
}

function foreign(url: string): MongoServers {
  const databases: string[] = []
  const notOurs = async (): Promise<never> => {
    throw new Error('a MongoDB server that others keep is neither stopped nor moved by tests')
  }
  return {
    url,
    pids: [],
    members: [],
    newDatabase() {
      const name = newDatabase()
      databases.push(name)
      return name
    },
    primary: notOurs,
    stepDown: notOurs,
    async stop() {
      const client = new MongoClient(url)
      try {
        for (const name of databases) await client.db(name).dropDatabase()
      } finally {
        await client.close()
      }
    },
  }
}

function newDatabase(): string {
  return `pilotage_test_${systemRandom().letters(12)}`
}

/** A command to one member alone, whatever part it has in its set. */
async function ask(port: number, command: Record<string, unknown>): Promise<Record<string, unknown>> {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, {
    serverSelectionTimeoutMS: 5000,
    connectTimeoutMS: 5000,
    socketTimeoutMS: 30_000,
    monitorCommands: false,
  })
  try {
    return await client.db('admin').command(command)
  } finally {
    await client.close()
  }
}
