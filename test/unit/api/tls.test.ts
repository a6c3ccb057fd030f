/**
 * A service whose edges speak TLS only: users, VMs and browsers reach it with the authority that they were given, and no
 * else does. The authority is made for the test.
 */

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type SecureVersion } from 'node:tls'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { hasEnded } from '../../../client/follow.ts'
import { connectPilotage, type PilotageClient } from '../../../client/pilotage-client.ts'
import { systemClock, until } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { silentLog } from '../../../core/ports/log.ts'
import { JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'
import { type Service, startService } from '../../../services/run/compose.ts'
import { lookEveryMs } from '../../../services/run/served-tls.ts'
import { newAuthority } from '../../support/certificates.ts'
import { commandOf, endAllUnder, leftUnder } from '../../support/processes.ts'

// Some seconds each; more only on a machine that has much else to do.
vi.setConfig({ testTimeout: 60_000 })

const clock = systemClock()
const mib = 1024 * 1024
const authority = newAuthority('ours')
let dir: string
let service: Service | undefined
let open: PilotageClient[]

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-tls-'))
  open = []
})

afterEach(async () => {
  for (const client of open) client.close()
  await service?.stop()
  service = undefined
  const left = await leftUnder(clock, dir, 5000)
  await endAllUnder(clock, dir)
  rmSync(dir, { recursive: true, force: true })
  expect(left.map(commandOf)).toEqual([])
})

function tlsFiles(): object {
  const { certPem, keyPem } = authority.sign('127.0.0.1', 'localhost')
  mkdirSync(join(dir, 'tls'), { recursive: true })
  writeFileSync(join(dir, 'tls/edge.crt'), certPem)
  writeFileSync(join(dir, 'tls/edge.key'), keyPem, { mode: 0o600 })
  writeFileSync(join(dir, 'tls/ca.crt'), authority.caPem)
  return { certFile: join(dir, 'tls/edge.crt'), keyFile: join(dir, 'tls/edge.key') }
}

/** The name in the certificate that a connection is shown, with the version; or why there is none. */
function shake(server: string, maxVersion: SecureVersion = 'TLSv1.3'): Promise<string> {
  const [host, port] = [server.slice(0, server.lastIndexOf(':')), Number(server.slice(server.lastIndexOf(':') + 1))]
  return new Promise((resolve) => {
    const wanted = { host, port, ca: authority.caPem, maxVersion, servername: '', ALPNProtocols: ['h2', 'http/1.1'] }
    const socket = connectTls(wanted, () => {
      resolve(`${socket.getPeerCertificate().subject.CN} ${socket.getProtocol()}`)
      socket.destroy()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
}

async function start(tls: object): Promise<Service> {
  const config = {
    grpc: { port: 0, tls, caFile: join(dir, 'tls/ca.crt') },
    dashboard: { port: 0, tls },
    director: { interval: '500ms', settle: '1s' },
    vm: { idleTimeout: '1s', heartbeatInterval: '500ms' },
    clouds: [{ name: 'local', kind: 'local', limits: { maxVms: 1 } }],
  }
  service = await startService({ dataDir: join(dir, 'data'), config, log: silentLog() })
  return service
}

function connect(server: string, token: string, caPem?: string): PilotageClient {
  const client = connectPilotage({ server, token, caPem, clock, patienceMs: 300 })
  open.push(client)
  return client
}

const refused = async (work: Promise<unknown>): Promise<string> => {
  const thrown = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  return thrown instanceof PilotageError ? thrown.code : String(thrown)
}

it('carries users, VMs and their jobs over TLS, and no client that trusts another authority or none', async () => {
  const { server, adminToken } = await start(tlsFiles())
  const admin = connect(server, adminToken, authority.caPem)
  const requirements = { memoryBytes: 64 * mib, diskBytes: mib }
  const { jobIds } = await admin.submit([
    JobSpec.fromPartial({ executable: '/bin/echo', arguments: ['safely'], requirements }),
  ])
  const states = []
  for await (const job of admin.watch(jobIds)) if (hasEnded(job)) states.push(job.state)
  expect(states).toEqual(['Done'])
  const pieces: Uint8Array[] = []
  for await (const piece of admin.output(jobIds[0] ?? 0)) pieces.push(piece)
  expect(Buffer.concat(pieces).toString()).toBe('safely\n')
  // By name and by address: both stand in the certificate.
  await connect(server.replace('127.0.0.1', 'localhost'), adminToken, authority.caPem).status()

  expect(await refused(connect(server, adminToken).status())).toBe('unavailable')
  expect(await refused(connect(server, adminToken, newAuthority('theirs').caPem).status())).toBe('unavailable')
  expect(await until(clock, async () => (await admin.vms()).length === 0, { withinMs: 20_000, everyMs: 100 })).toBe(true)
})

it('gives the page and its health over TLS, and a cookie that goes no other way', async () => {
  const { dashboardUrl, adminToken } = await start(tlsFiles())
  expect(dashboardUrl).toMatch(/^https:/)
  const healthy = () => asked(`${dashboardUrl}/health`).then(({ status, body }) => `${status} ${body}`)
  expect(await until(clock, async () => (await healthy()) === '200 {"ready":true}', { withinMs: 5000 })).toBe(true)
  await expect(fetch(`${dashboardUrl}/health`)).rejects.toThrow()
  await expect(fetch(`${dashboardUrl.replace('https', 'http')}/health`)).rejects.toThrow()
  expect((await asked(`${dashboardUrl}/api/status`, { token: adminToken })).status).toBe(200)
  const { cookie } = await asked(`${dashboardUrl}/sign-in`, { form: `token=${adminToken}` })
  // The beginning of the name is what makes a browser keep it from other hosts, paths and plain connections.
  expect(cookie).toMatch(/^__Host-pilotage_session=[a-z0-9]{32}; Path=\/; HttpOnly; SameSite=Strict; Secure; Max-Age=43200$/)
  const [pair = ''] = cookie.split(';')
  expect((await asked(`${dashboardUrl}/api/status`, { cookie: pair })).status).toBe(200)
  expect((await asked(`${dashboardUrl}/api/status`, { cookie: pair.replace('__Host-', '') })).status).toBe(401)
})

it('orders browsers to come back by TLS only, but not to other programs of their own machine', async () => {
  const { dashboardUrl } = await start(tlsFiles())
  const policyFor = async (host: string) => (await asked(`${dashboardUrl}/sign-in`, { host })).policy
  expect(await policyFor('pilotage.example')).toBe('max-age=31536000')
  expect(await policyFor('pilotage.example:7401')).toBe('max-age=31536000')
  expect(await policyFor('localhost:7401')).toBe('')
  expect(await policyFor('127.0.0.1:7401')).toBe('')
})

it('serves TLS 1.3 on both ports, and 1.2 only where the configuration says so', async () => {
  const tls = tlsFiles()
  const both = ({ server, dashboardUrl }: Service) => [server, new URL(dashboardUrl).host]
  for (const place of both(await start(tls))) {
    expect(await shake(place)).toBe('127.0.0.1 TLSv1.3')
    expect(await shake(place, 'TLSv1.2')).toMatch(/PROTOCOL_VERSION/)
  }
  await service?.stop()
  for (const place of both(await start({ ...tls, minVersion: '1.2' }))) {
    expect(await shake(place, 'TLSv1.2')).toBe('127.0.0.1 TLSv1.2')
  }
})

it('serves a renewed certificate on both ports without a restart', async () => {
  const { server, dashboardUrl, adminToken } = await start(tlsFiles())
  const admin = connect(server, adminToken, authority.caPem)
  await admin.status()
  const renewed = authority.sign('localhost', '127.0.0.1')
  writeFileSync(join(dir, 'tls/edge.crt'), renewed.certPem)
  writeFileSync(join(dir, 'tls/edge.key'), renewed.keyPem)
  for (const place of [server, new URL(dashboardUrl).host]) {
    const isNew = async (): Promise<boolean> => (await shake(place)).startsWith('localhost')
    expect(await until(clock, isNew, { withinMs: 4 * lookEveryMs, everyMs: 100 })).toBe(true)
    expect(await shake(place, 'TLSv1.2')).toMatch(/PROTOCOL_VERSION/)
  }
  // A connection that stands goes on.
  await admin.status()
})

it('does not start with a key of another certificate, or without a file that is named', async () => {
  const tls = tlsFiles()
  const answers = () =>
    start(tls).then(
      () => [],
      (error: PilotageError) => error.violations.map(({ path, rule }) => `${path}: ${rule}`),
    )
  writeFileSync(join(dir, 'tls/edge.key'), authority.sign('127.0.0.1').keyPem)
  rmSync(join(dir, 'tls/ca.crt'))
  expect(await answers()).toEqual([
    'grpc.tls.keyFile: not the key of the certificate',
    'dashboard.tls.keyFile: not the key of the certificate',
    'grpc.caFile: cannot be read (ENOENT)',
  ])
  expect(existsSync(join(dir, 'data'))).toBe(false)
})

type Answer = { readonly status: number; readonly body: string; readonly cookie: string; readonly policy: string }

function asked(url: string, { token = '', form = '', cookie = '', host = '' } = {}): Promise<Answer> {
  const method = form === '' ? 'GET' : 'POST'
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
    ...(cookie === '' ? {} : { cookie }),
    ...(host === '' ? {} : { host }),
  }
  return new Promise((resolve, reject) => {
    const sending = request(url, { ca: authority.caPem, method, headers, servername: 'localhost' }, (response) => {
      let body = ''
      response.on('data', (piece: Buffer) => {
        body += piece
      })
      const set = response.headers['set-cookie']?.[0] ?? ''
      const policy = response.headers['strict-transport-security'] ?? ''
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body, cookie: set, policy }))
    })
    sending.on('error', reject)
    sending.end(form)
  })
}
