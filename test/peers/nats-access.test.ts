/**
 * Ways into a real nats-server: credentials, TLS, and accounts that may do what docs/how-to/read-the-facts.md says and no
 * more.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '@nats-io/transport-node'
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest'
import { systemClock, until } from '../../core/kernel/clock.ts'
import type { Fact } from '../../core/model/fact-shapes.ts'
import { type Log, silentLog } from '../../core/ports/log.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { localBus } from '../../services/adapters/bus/local/local-bus.ts'
import { readFacts } from '../../services/adapters/bus/nats/fact-reader.ts'
import { natsFactStream } from '../../services/adapters/bus/nats/fact-stream.ts'
import { type NatsBus, natsBus } from '../../services/adapters/bus/nats/nats-bus.ts'
import type { NatsOptions } from '../../services/adapters/bus/nats/nats-link.ts'
import { type Authority, newAuthority } from '../support/certificates.ts'
import type { NatsServer } from './nats-servers.ts'
import { quietPorts } from './quiet-ports.ts'
import { serverProcess } from './server-process.ts'
import { startNats, whyNotOurs } from './servers.ts'

const clock = systemClock()
const random = systemRandom()
const within = { withinMs: 60_000 }
const installation = 'guarded'
const limits = { maxAgeMs: 3_600_000, maxBytes: 64 * 1024 * 1024, duplicateMs: 120_000, replicas: 1 }
const fact: Fact = { seq: 1, atMs: 1, subject: 'job:1', kind: 'Waiting', data: {} }

type Access = Pick<NatsOptions, 'servers'> & Partial<Pick<NatsOptions, 'credentials' | 'caPem' | 'log'>>

let dir: string
const closing: (() => Promise<void>)[] = []

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-nats-access-'))
})

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

afterAll(() => rmSync(dir, { recursive: true, force: true }))

async function open(...more: string[]): Promise<NatsServer> {
  const server = await startNats({ arguments: more })
  closing.push(() => server.stop())
  return server
}

function written(name: string, text: string): string {
  writeFileSync(join(dir, name), text, { mode: 0o600 })
  return join(dir, name)
}

function optionsOf(access: Access): NatsOptions {
  return { installation, clock, random, log: silentLog(), ...access }
}

function openBus(access: Access): NatsBus {
  const bus = natsBus({ ...optionsOf(access), own: localBus(clock) })
  closing.push(() => bus.close())
  return bus
}

/** Whether a hint of one reaches the other. */
function reaches(from: NatsBus, to: NatsBus): Promise<boolean> {
  let isHeard = false
  to.listen('jobs', () => {
    isHeard = true
  })
  const tried = (): boolean => {
    from.hint({ kind: 'jobs', ids: [1] })
    return isHeard
  }
  return until(clock, tried, within)
}

/** The reason that the log gives for there being no connection. */
async function whyAway(access: Access): Promise<string> {
  const warnings: string[] = []
  const warn: Log['warn'] = (fields) => void warnings.push(JSON.stringify(fields))
  openBus({ ...access, log: { ...silentLog(), warn } })
  await until(clock, () => warnings.length > 0, within)
  return warnings.join()
}

describe('a nats-server that is guarded', () => {
  it('by a token', async (context) => {
    context.skip(whyNotOurs('nats-server') !== undefined, whyNotOurs('nats-server'))
    const { url } = await open('--auth', 'very-secret')
    const access: Access = { servers: [url], credentials: { kind: 'token', token: 'very-secret' } }
    expect(await reaches(openBus(access), openBus(access))).toBe(true)
    expect(await whyAway({ servers: [url] })).toMatch(/Authorization Violation/)
  })

  it('by TLS: whom the authority has signed, and no client in plain text', async (context) => {
    context.skip(whyNotOurs('nats-server') !== undefined, whyNotOurs('nats-server'))
    const authority = newAuthority()
    const servers = [await startTls(authority)]
    const access = { servers, caPem: authority.caPem }
    expect(await reaches(openBus(access), openBus(access))).toBe(true)
    expect(await whyAway({ servers, caPem: newAuthority('a stranger').caPem })).toMatch(/certificate/)
    const elsewhere = await startTls(authority, 'elsewhere.example')
    expect(await whyAway({ servers: [elsewhere], caPem: authority.caPem })).toMatch(/altnames/)
    const plain = await open()
    expect(await whyAway({ servers: [plain.url], caPem: authority.caPem })).toMatch(/tls/)
  })

  it('by permissions: those that the how-to names are enough', async (context) => {
    context.skip(whyNotOurs('nats-server') !== undefined, whyNotOurs('nats-server'))
    const [service, reader] = grants()
    const users = `{user: service, password: s, permissions: ${service}}, {user: reader, password: r, permissions: ${reader}}`
    const { url } = await open('-c', written('accounts.conf', `authorization { users = [${users}] }`))
    const as = (user: string): Access => {
      return { servers: [url], credentials: { kind: 'password', user, password: user.charAt(0) } }
    }
    const [here, there] = [openBus(as('service')), openBus(as('service'))]
    expect(await reaches(here, there)).toBe(true)
    const stream = natsFactStream({ ...optionsOf(as('service')), limits, timeoutMs: 30_000 })
    closing.push(() => stream.close())
    await stream.publish([fact])
    const { signal } = new AbortController()
    for (const durable of [undefined, 'history']) {
      const got: Fact[] = []
      const reading = { ...optionsOf(as('reader')), durable, from: 'beginning', follow: false, signal } as const
      for await (const given of readFacts(reading)) {
        got.push(given.fact)
        given.acknowledge()
      }
      expect(got).toEqual([fact])
    }
    const forger = natsFactStream({ ...optionsOf(as('reader')), limits, timeoutMs: 1000 })
    closing.push(() => forger.close())
    await expect(forger.publish([{ ...fact, seq: 2 }])).rejects.toMatchObject({ code: 'unavailable' })
  })
})

/** The harness asks a server whether it answers, and believes no authority of ours. */
async function startTls(authority: Authority, name = '127.0.0.1'): Promise<string> {
  const { places, dir } = inject('peers')
  const place = places['nats-server']
  if (place?.kind !== 'program') throw new Error('a program is needed')
  const { certPem, keyPem } = authority.sign(name)
  const [port = 0] = await quietPorts(1)
  const url = `tls://127.0.0.1:${port}`
  const home = mkdtempSync(join(dir, 'nats-tls-'))
  const files = ['--tlscert', written('cert.pem', certPem), '--tlskey', written('key.pem', keyPem)]
  const answers = async (): Promise<boolean> => {
    // Whether it serves, not whom it is signed by.
    const tls = { rejectUnauthorized: false }
    const connection = await connect({ servers: url, tls, reconnect: false })
    await connection.close()
    return true
  }
  const listen = ['-a', '127.0.0.1', '-p', String(port), '--tls']
  const server = serverProcess({ clock, program: place.program, arguments: [...listen, ...files], dir: home, port, answers })
  closing.push(() => server.kill())
  await server.start()
  return url
}

/** The rows of the table in the how-to, as a nats-server's permissions. */
function grants(): readonly string[] {
  const text = readFileSync(join(import.meta.dirname, '../../docs/how-to/read-the-facts.md'), 'utf8')
  const rows = text.split('\n').filter((line) => /^\| (?:the service|a reader) \|/.test(line))
  return rows.map((row) => {
    const [, publish = '', subscribe = ''] = row
      .split('|')
      .slice(1, -1)
      .map((cell) =>
        [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => `"${name.replace('INSTALLATION', installation)}"`).join(),
      )
    return `{publish: [${publish}], subscribe: [${subscribe}]}`
  })
}
