/**
 * An installation of many processes over real servers, as an operator with a supervisor would have it: whatever is killed is
 * started again at once. Keeps what every life of every process has said, and when it ended.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { neededPeer } from '../peers/find-peers.ts'
import { type MongoServers, openMongo } from '../peers/mongo-servers.ts'
import { type NatsServer, openNats } from '../peers/nats-servers.ts'
import { freePorts } from '../support/free-ports.ts'
import { type ServiceFiles, serviceFiles, type ServiceProcess, startServiceProcess } from '../support/service-process.ts'
import type { Stage } from './scenario.ts'

export type Life = { readonly name: string; readonly text: string; readonly endedMs: number }

export type PlantOrder = {
  readonly apis: number
  readonly directors: number
  /** What all processes have in common, beside store, bus and ports. */
  readonly config: object
  /** Which API processes VMs get as endpoints; absent: all. */
  readonly serving?: readonly number[]
}

export type Plant = {
  readonly dataDir: string
  readonly database: string
  readonly mongo: MongoServers
  readonly nats: NatsServer
  /** host:port of every API process, with commas between. */
  readonly server: string
  /** What can be killed, in turn. */
  readonly names: readonly string[]
  /** SIGKILL, and started again. */
  kill(name: string): Promise<void>
  /** Every process serves. */
  serving(): Promise<void>
  /** What became of processes that ended though the scenario did not kill them. */
  fallen(): readonly string[]
  /** Sends every process SIGTERM; answers those that did not end well. */
  stop(): Promise<readonly string[]>
  lives(): readonly Life[]
  /** For good, whatever happened. */
  close(): Promise<void>
}

type Process = {
  readonly name: string
  readonly files: ServiceFiles
  readonly words: readonly string[]
  now: ServiceProcess
}

export async function openPlant(stage: Stage, order: PlantOrder): Promise<Plant> {
  const { clock, dir, say, peers } = stage
  const mongo = await openMongo({ clock, place: neededPeer(peers, 'mongod', true), dir, members: 1 })
  const nats = await openNats({ clock, place: neededPeer(peers, 'nats-server', true), dir })
  const database = mongo.newDatabase()
  const ports = await freePorts(order.apis * 2)
  const servers = ports.slice(0, order.apis).map((port) => `127.0.0.1:${port}`)
  const engines = { store: { kind: 'mongo', url: mongo.url, database }, nats: { servers: [nats.url] } }
  const dataDir = join(dir, 'data')
  const processes = programsOf(order, ports, servers).map(({ name, own, words }): Process => {
    mkdirSync(join(dir, name))
    const files = { ...serviceFiles(join(dir, name), { ...order.config, ...engines, ...own }), dataDir }
    return { name, files, words, now: startServiceProcess(clock, files, words) }
  })
  const lives: Life[] = []
  const fallen: string[] = []
  const endLife = ({ name, now }: Process): void => void lives.push({ name, text: now.log(), endedMs: clock.nowMs() })

  async function killServer(name: string): Promise<void> {
    if (name === 'nats-server') {
      await nats.kill()
      await nats.start()
      return
    }
    await mongo.members[0]?.kill()
    await mongo.members[0]?.start()
  }

  return {
    dataDir,
    database,
    mongo,
    nats,
    server: servers.join(),
    names: inTurn(processes.map(({ name }) => name)),
    async kill(name) {
      say(`kill -9 of ${name}`)
      const one = processes.find((process) => process.name === name)
      if (!one) return killServer(name)
      if (one.now.hasEnded()) fallen.push(`${name} ended by itself: ${one.now.log().slice(-800)}`)
      await one.now.ended('SIGKILL')
      endLife(one)
      one.now = startServiceProcess(clock, one.files, one.words)
    },
    async serving() {
      for (const { now } of processes) await now.serving(60_000)
    },
    fallen: () => fallen,
    async stop() {
      const ends = await Promise.all(processes.map(async (one) => [one.name, await one.now.ended('SIGTERM')] as const))
      for (const one of processes) endLife(one)
      return ends.filter(([, end]) => end !== 0).map(([name, end]) => `${name} ended with ${end} when it was asked to stop`)
    },
    lives: () => lives,
    async close() {
      for (const { now } of processes) await now.ended('SIGKILL')
      await nats.stop().catch((error: unknown) => say(String(error)))
      await mongo.stop().catch((error: unknown) => say(String(error)))
    },
  }
}

/** What is started, with what each has of its own in its configuration. `ports`: two for each API process. */
function programsOf({ apis, directors, serving }: PlantOrder, ports: readonly number[], servers: readonly string[]) {
  const advertise = servers.filter((_, at) => serving === undefined || serving.includes(at))
  return [
    ...Array.from({ length: apis }, (_, at) => ({
      name: `api-${at}`,
      own: { grpc: { port: ports[at], advertise }, dashboard: { port: ports[apis + at] } },
      words: ['--role', 'api'],
    })),
    ...Array.from({ length: directors }, (_, at) => ({
      name: `director-${at}`,
      own: { grpc: { advertise } },
      words: ['--role', 'director,sweeper'],
    })),
  ]
}

/** Services and servers by turns, so that none is left in peace. */
function inTurn(services: readonly string[]): readonly string[] {
  const half = Math.ceil(services.length / 2)
  return [...services.slice(0, half), 'mongod', ...services.slice(half), 'nats-server']
}
