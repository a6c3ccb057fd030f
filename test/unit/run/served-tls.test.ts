/** The certificate that is served follows its files, over real handshakes; the time of its looks is the test's. */

import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer, type SecureVersion, type Server } from 'node:tls'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock, until } from '../../../core/kernel/clock.ts'
import type { Log } from '../../../core/ports/log.ts'
import type { TlsFiles } from '../../../core/ports/served-tls.ts'
import { readTlsPair } from '../../../services/run/secrets.ts'
import { lookEveryMs, serveTls } from '../../../services/run/served-tls.ts'
import { newAuthority, type Signed } from '../../support/certificates.ts'
import { type VirtualClock, virtualClock } from '../../support/virtual-clock.ts'

const authority = newAuthority('served')
const real = systemClock()
let dir: string
let clock: VirtualClock
let tls: ReturnType<typeof serveTls> | undefined
let server: Server | undefined
let errors: string[]

const log: Log = { debug() {}, info() {}, warn() {}, error: (_, text) => void errors.push(text), with: () => log }

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-served-tls-'))
  clock = virtualClock()
  errors = []
})
afterEach(async () => {
  server?.close()
  await tls?.stop()
  rmSync(dir, { recursive: true, force: true })
})

const files = (minVersion: TlsFiles['minVersion'] = '1.3'): TlsFiles => ({
  certFile: join(dir, 'edge.crt'),
  keyFile: join(dir, 'edge.key'),
  minVersion,
})

function put({ certPem, keyPem }: Signed): Signed {
  writeFileSync(join(dir, 'edge.crt'), certPem)
  writeFileSync(join(dir, 'edge.key'), keyPem)
  return { certPem, keyPem }
}

async function serve(pair: Signed, minVersion?: TlsFiles['minVersion']): Promise<void> {
  const served = serveTls({ path: 'grpc.tls', files: files(minVersion), pair, read: readTlsPair, clock, log })
  const made = createServer({ ...served.context() })
  served.onChange((context) => made.setSecureContext(context))
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  tls = served
  server = made
}

/** The name in the certificate that a new connection is shown, and the version that both agreed on. */
function shake(maxVersion: SecureVersion = 'TLSv1.3'): Promise<string> {
  const address = server?.address() as AddressInfo | undefined
  const port = address?.port ?? 0
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', ca: authority.caPem, maxVersion, servername: '' }, () => {
      resolve(`${socket.getPeerCertificate().subject.CN} ${socket.getProtocol()}`)
      socket.destroy()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
}

/** Looking takes real time, between two moments of the test's clock. */
async function looked(holds: () => Promise<boolean> | boolean): Promise<boolean> {
  return until(
    real,
    async () => {
      await clock.advance(lookEveryMs)
      return holds()
    },
    { withinMs: 5000, everyMs: 20 },
  )
}

it('serves TLS 1.3 and nothing older, unless the configuration says so', async () => {
  await serve(put(authority.sign('127.0.0.1')))
  expect(await shake()).toBe('127.0.0.1 TLSv1.3')
  expect(await shake('TLSv1.2')).toMatch(/ALERT_PROTOCOL_VERSION/)
  server?.close()
  await tls?.stop()
  await serve(put(authority.sign('127.0.0.1')), '1.2')
  expect(await shake('TLSv1.2')).toBe('127.0.0.1 TLSv1.2')
  expect(await shake('TLSv1.1')).not.toContain('TLSv')
})

it('serves a new certificate when its files change, and stays with TLS 1.3', async () => {
  await serve(put(authority.sign('127.0.0.1')))
  put(authority.sign('127.0.0.1', 'second'))
  const before = tls?.context().cert
  expect(await looked(() => tls?.context().cert !== before)).toBe(true)
  put(authority.sign('localhost', '127.0.0.1'))
  expect(await looked(async () => (await shake()).startsWith('localhost'))).toBe(true)
  expect(await shake('TLSv1.2')).toMatch(/ALERT_PROTOCOL_VERSION/)
  expect(errors).toEqual([])
})

it('notices another file of the same age and size', async () => {
  const sized = ({ certPem, keyPem }: Signed) => put({ certPem: certPem.padEnd(2000, '\n'), keyPem })
  await serve(sized(authority.sign('127.0.0.1')))
  const at = new Date(1_700_000_000_000)
  for (const name of ['edge.crt', 'edge.key']) utimesSync(join(dir, name), at, at)
  await looked(() => true)
  rmSync(join(dir, 'edge.crt'))
  rmSync(join(dir, 'edge.key'))
  const second = sized(authority.sign('127.0.0.1'))
  for (const name of ['edge.crt', 'edge.key']) utimesSync(join(dir, name), at, at)
  expect(await looked(() => tls?.context().cert === second.certPem)).toBe(true)
})

it.each<[string, () => void]>([
  ['the key of another certificate', () => writeFileSync(join(dir, 'edge.key'), authority.sign('x').keyPem)],
  ['half a certificate', () => writeFileSync(join(dir, 'edge.crt'), '-----BEGIN CERTIFICATE-----\nMIIB')],
  ['nothing in it', () => writeFileSync(join(dir, 'edge.crt'), '')],
  ['no file', () => rmSync(join(dir, 'edge.crt'))],
])('keeps the old certificate where there is %s, says so once a change, and goes on when it is mended', async (_, spoil) => {
  await serve(put(authority.sign('127.0.0.1')))
  await looked(() => true)
  spoil()
  expect(await looked(() => errors.length > 0)).toBe(true)
  expect(await shake()).toBe('127.0.0.1 TLSv1.3')
  // A look may come in the middle of a write, and the whole file is then another change.
  for (let look = 0; look < 3; look += 1) await looked(() => true)
  const said = errors.length
  for (let look = 0; look < 5; look += 1) await looked(() => true)
  expect(errors).toHaveLength(said)
  put(authority.sign('localhost', '127.0.0.1'))
  expect(await looked(async () => (await shake()).startsWith('localhost'))).toBe(true)
})
