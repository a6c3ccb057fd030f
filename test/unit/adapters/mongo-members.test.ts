/**
 * A server on this machine whose replica set has members elsewhere: nothing is said there without TLS or the operator's
 * word.
 */

import { BSON } from 'mongodb'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { afterEach, expect, it } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import { silentLog } from '../../../core/ports/log.ts'
import { openKeptMongoArchive } from '../../../services/run/mongo-upkeep.ts'
import { openKeptMongoStore } from '../../../services/run/mongo-upkeep.ts'

const servers: Server[] = []
const sockets = new Set<Socket>()

afterEach(async () => {
  for (const socket of sockets) socket.destroy()
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))))
})

type Fake = { readonly port: number; readonly commands: string[] }

/** Says of itself whatever `hello` gives, and fails everything else. */
async function serve(hello: (port: number) => object): Promise<Fake> {
  const commands: string[] = []
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    let waiting = Buffer.alloc(0)
    socket.on('data', (piece) => {
      waiting = Buffer.concat([waiting, piece])
      while (waiting.length >= 16 && waiting.length >= waiting.readInt32LE(0)) {
        const message = waiting.subarray(0, waiting.readInt32LE(0))
        waiting = waiting.subarray(message.length)
        const isOld = message.readInt32LE(12) === 2004
        // An old question has flags, a name and two numbers in front of its document; a new one flags and a kind.
        const at = isOld ? message.indexOf(0, 20) + 9 : 21
        const [command = ''] = Object.keys(BSON.deserialize(message.subarray(at)))
        commands.push(command)
        const isHello = ['hello', 'ismaster', 'isMaster'].includes(command)
        const answer = isHello ? { ok: 1, ...hello(port()) } : { ok: 0, code: 18, codeName: 'AuthenticationFailed' }
        socket.write(reply(message.readInt32LE(4), isOld, answer))
      }
    })
  })
  const port = (): number => (server.address() as AddressInfo).port
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { port: port(), commands }
}

function reply(to: number, isOld: boolean, answer: object): Buffer {
  const body = Buffer.from(BSON.serialize(answer))
  const between = isOld ? Buffer.alloc(20) : Buffer.alloc(5)
  if (isOld) between.writeInt32LE(1, 16)
  const head = Buffer.alloc(16)
  head.writeInt32LE(16 + between.length + body.length, 0)
  head.writeInt32LE(to, 8)
  head.writeInt32LE(isOld ? 1 : 2013, 12)
  return Buffer.concat([head, between, body])
}

const secondary = (hosts: readonly string[]) => (port: number) => ({
  setName: 'rs0',
  me: `127.0.0.1:${port}`,
  hosts: [`127.0.0.1:${port}`, ...hosts],
  secondary: true,
  isWritablePrimary: false,
  maxWireVersion: 21,
  minWireVersion: 0,
})

const around = { database: 'pilotage', clock: systemClock(), log: silentLog() }
const urlOf = ({ port }: Fake): string => `mongodb://127.0.0.1:${port}/?replicaSet=rs0`

const refused = async (work: Promise<unknown>): Promise<object> =>
  work.then(
    () => ({}),
    (error: object) => error,
  )

it.each([['db.example:27017'], ['10.1.2.3:27017'], ['[2001:db8::1]:27017']])('refuses a member at %s', async (member) => {
  const fake = await serve(secondary([member]))
  const expected = {
    code: 'invalid-argument',
    message: 'the replica set has members beyond this machine',
    violations: [{ path: 'store.url', value: member, rule: 'not encrypted' }],
  }
  expect(await refused(openKeptMongoStore({ ...around, url: urlOf(fake), holder: 'a' }))).toMatchObject(expected)
  expect(await refused(openKeptMongoArchive({ ...around, url: urlOf(fake) }))).toMatchObject(expected)
  // Nothing but the question who it is was asked.
  expect(fake.commands.filter((one) => !/^(?:hello|ismaster|endSessions)$/i.test(one))).toEqual([])
})

it('goes there where the operator says so', async () => {
  const other = await serve((port) => ({
    ...secondary([])(port),
    hosts: ['localhost:1', `127.0.0.1:${port}`],
    secondary: false,
    isWritablePrimary: true,
  }))
  // Named by an address that is this machine's, but does not look like it.
  const fake = await serve(secondary([`127.1:${other.port}`]))
  const thrown = await refused(openKeptMongoStore({ ...around, url: urlOf(fake), mayLeave: true, holder: 'a' }))
  expect(thrown).not.toMatchObject({ code: 'invalid-argument' })
})
