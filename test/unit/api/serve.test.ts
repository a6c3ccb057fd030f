/**
 * `pilotage serve` as a process: what an operator and the machine see of it from its first start to its end.
 *
 * Each service has a directory and ports of its own, is ended by its pid, and leaves no process.
 */

import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { hasEnded } from '../../../client/follow.ts'
import type { PilotageClient } from '../../../client/pilotage-client.ts'
import { systemClock, until } from '../../../core/kernel/clock.ts'
import { JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'
import { rootOf } from '../../support/local-machines.ts'
import { commandOf, endAllUnder, leftUnder, listeningOf, processesUnder } from '../../support/processes.ts'
import { rawClient } from '../../support/raw-call.ts'
import {
  connectAdmin,
  type ServiceFiles,
  serviceFiles,
  type ServiceProcess,
  startServiceProcess,
} from '../../support/service-process.ts'
import { isolationHere } from '../../support/isolation-here.ts'

// Some seconds each; more only on a machine that has much else to do.
vi.setConfig({ testTimeout: 60_000 })

const clock = systemClock()
const freePorts = { grpc: { port: 0 }, dashboard: { port: 0 } }
const leftoversMs = 10_000

let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-serve-'))
})

afterEach(async () => {
  await endAllUnder(clock, dir)
  rmSync(dir, { recursive: true, force: true })
})

/** Where payloads cannot be isolated, a service of root's starts only if its configuration allows it. */
const plainCloud = { clouds: [{ name: 'local', kind: 'local', isolation: 'plain' }] }

function filesFor(config: object): ServiceFiles {
  return serviceFiles(dir, isolationHere === 'auto' ? config : { ...plainCloud, ...config })
}

function serve(config: object = freePorts): { readonly files: ServiceFiles; readonly service: ServiceProcess } {
  const files = filesFor(config)
  return { files, service: startServiceProcess(clock, files) }
}

async function nothingLeft(): Promise<void> {
  expect((await leftUnder(clock, dir, leftoversMs)).map(commandOf)).toEqual([])
}

describe('the first start', () => {
  it('serves with defaults: health, reflection, private files, on loopback only', async () => {
    const { files, service } = serve()
    const server = await service.serving()
    const raw = rawClient(clock, server)
    const health = await raw.bytes('/grpc.health.v1.Health/Check', [Buffer.alloc(0)])
    // HealthCheckResponse { status: SERVING }
    expect(health.messages.map((message) => [...message])).toEqual([[8, 1]])
    // ServerReflectionRequest { list_services: '*' }
    const reflection = await raw.bytes(
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      [Buffer.from([0x3a, 1, 0x2a])],
      { endWhen: (messages) => messages.length > 0 },
    )
    raw.close()
    const named = Buffer.concat(reflection.messages).toString('latin1')
    for (const name of ['JobService', 'VmService', 'OperateService']) expect(named).toContain(`pilotage.v1.${name}`)

    for (const name of ['admin.token', 'signing-key.json', 'installation', 'lock']) {
      expect(statSync(join(files.dataDir, name)).mode & 0o777, name).toBe(0o600)
    }
    expect(statSync(files.dataDir).mode & 0o777).toBe(0o700)
    const listening = listeningOf(service.pid)
    expect(listening).toHaveLength(2)
    for (const address of listening) expect(address).toMatch(/^127\.0\.0\.1:/)

    expect(await service.ended('SIGTERM')).toBe(0)
    await nothingLeft()
  })
})

describe('the data directory', () => {
  it('has one service; a second one is refused and changes nothing', async () => {
    const { files, service } = serve()
    await service.serving()
    const token = readFileSync(join(files.dataDir, 'admin.token'), 'utf8')
    const second = startServiceProcess(clock, files)
    expect(await second.ended()).toBe(1)
    expect(second.log()).toContain('"code":"store-locked"')
    expect(second.log()).toContain(`in use by process ${service.pid}`)
    expect(readFileSync(join(files.dataDir, 'admin.token'), 'utf8')).toBe(token)
    expect(await service.ended('SIGINT')).toBe(0)
    expect(readdirSync(files.dataDir)).not.toContain('lock')
    await nothingLeft()
  })

  it('stops although the other end of a connection stands still', async () => {
    const { service } = serve()
    const [, port] = (await service.serving()).split(':')
    const connect = `const c = require('node:http2').connect('http://127.0.0.1:${port}'); c.on('connect', () => console.log('up'))`
    const other = spawn(process.execPath, ['-e', connect], { cwd: dir, stdio: ['ignore', 'pipe', 'ignore'] })
    try {
      await new Promise((resolve) => other.stdout.once('data', resolve))
      other.kill('SIGSTOP')
      expect(await service.ended('SIGTERM')).toBe(0)
    } finally {
      other.kill('SIGKILL')
    }
    await nothingLeft()
  })

  it('is taken over after kill -9, with everything that was acknowledged', async () => {
    const { files, service } = serve({ ...freePorts, clouds: [] })
    const before = connectAdmin(clock, files, await service.serving())
    const { jobIds } = await before.submit([JobSpec.fromPartial({ executable: 'true' })], { key: 'once' })
    before.close()
    expect(await service.ended('SIGKILL')).toBe('SIGKILL')
    expect(readdirSync(files.dataDir)).toContain('lock')

    const next = startServiceProcess(clock, files)
    const after = connectAdmin(clock, files, await next.serving())
    const again = await after.submit([JobSpec.fromPartial({ executable: 'true' })], { key: 'once' })
    expect(again).toMatchObject({ jobIds, repeated: true })
    after.close()
    expect(await next.ended('SIGTERM')).toBe(0)
    await nothingLeft()
  })
})

describe('a wrong configuration', () => {
  it('is refused whole, with every path', async () => {
    const { service } = serve({
      grpc: { host: '0.0.0.0', port: 70_000 },
      queue: { lease: '1 fortnight' },
      director: { evry: '1s' },
      clouds: [{ name: 'a b', kind: 'local', limits: { maxVms: -1 } }],
    })
    expect(await service.ended()).toBe(1)
    const said = lastSaid(service.log())
    expect(said.code).toBe('invalid-argument')
    const paths = said.violations.map(({ path }) => path)
    expect(paths.sort()).toEqual(['clouds[0].limits.maxVms', 'clouds[0].name', 'director.evry', 'grpc.port', 'queue.lease'])
    expect(readdirSync(dir)).not.toContain('data')
  })

  it('does not leave this machine without TLS', async () => {
    const { service } = serve({ grpc: { host: '0.0.0.0', port: 0 } })
    expect(await service.ended()).toBe(1)
    expect(lastSaid(service.log()).violations.map(({ path }) => path)).toEqual(['grpc.host'])
  })

  it.each([
    ['not YAML', 'grpc: [unclosed', 'invalid-argument'],
    ['a list', '- grpc', 'invalid-argument'],
    ['more than any configuration has', `# ${'x'.repeat(2 * 1024 * 1024)}`, 'too-large'],
  ])('that is %s is refused by name', async (_, text, code) => {
    const files = serviceFiles(dir, {})
    writeFileSync(files.configPath, text)
    const service = startServiceProcess(clock, files)
    expect(await service.ended()).toBe(1)
    expect(lastSaid(service.log()).code).toBe(code)
  })
})

describe('a wrong command line', () => {
  it('with a part of the roles over the embedded store is refused, as no process could do the rest', async () => {
    const files = serviceFiles(dir, freePorts)
    const service = startServiceProcess(clock, files, ['--role', 'api,director'])
    expect(await service.ended()).toBe(1)
    const { violations } = lastSaid(service.log())
    expect(violations.map(({ path }) => path)).toEqual(['--role'])
    expect(service.log()).toContain('no process does sweeper, dashboard')
    expect(readdirSync(dir)).not.toContain('data')
  })

  it.each([
    ['--roles', 'api'],
    ['--role', 'apo'],
  ])('as %s %s is refused', async (...words) => {
    const service = startServiceProcess(clock, filesFor(freePorts), words)
    expect(await service.ended()).toBe(words[0] === '--roles' ? 2 : 1)
    expect(service.log()).toContain(words[0] === '--roles' ? "unknown option '--roles'" : 'not a role')
    expect(readdirSync(dir)).not.toContain('data')
  })

  it('that names every role is the same as none', async () => {
    const service = startServiceProcess(clock, filesFor(freePorts), [
      '--role',
      'dashboard,sweeper',
      '--role',
      'api,director',
    ])
    expect(await service.serving()).toMatch(/^127\.0\.0\.1:/)
    expect(service.places()).toMatchObject({ roles: ['api', 'director', 'sweeper', 'dashboard'] })
    expect(await service.ended('SIGTERM')).toBe(0)
    await nothingLeft()
  })
})

describe('with a VM and a payload', () => {
  it('shows no secret in its log, in any command line or in a payload, and takes no process along', async () => {
    const { files, service } = serve({
      ...freePorts,
      log: { level: 'debug' },
      director: { interval: '500ms', settle: '1s' },
      vm: { idleTimeout: '1h', heartbeatInterval: '1s' },
      clouds: [{ name: 'local', kind: 'local', isolation: isolationHere, limits: { maxVms: 1 } }],
    })
    const admin = connectAdmin(clock, files, await service.serving())
    const mib = 1024 * 1024
    const script = 'cat /proc/self/environ > environ; tr "\\0" "\\n" < environ; sleep 600'
    const requirements = { memoryBytes: 64 * mib, diskBytes: mib }
    const { jobIds } = await admin.submit([
      JobSpec.fromPartial({ executable: '/bin/sh', arguments: ['-c', script], requirements }),
    ])
    expect(await until(clock, async () => (await stateOf(admin, jobIds)) === 'Running', { withinMs: 15_000 })).toBe(true)
    const [vm] = await admin.vms()
    const secrets = secretsOf(files, vm?.vmId ?? '')
    const sleeping = () => processesUnder(dir).find(({ arguments: words }) => words.join(' ') === 'sleep 600')
    expect(await until(clock, () => sleeping() !== undefined, { withinMs: 10_000 })).toBe(true)
    const running = processesUnder(dir)
    expect(running.length).toBeGreaterThan(4)
    expect(sleeping()?.environment.some((line) => line.startsWith('PILOTAGE_JOB_ID='))).toBe(true)

    await admin.kill(jobIds)
    for await (const job of admin.watch(jobIds)) if (hasEnded(job)) break
    const pieces: Uint8Array[] = []
    for await (const piece of admin.output(jobIds[0] ?? 0)) pieces.push(piece)
    const history = JSON.stringify([await admin.history(jobIds[0] ?? 0), await admin.vmHistory(vm?.vmId ?? '')])
    const written = Buffer.concat(pieces).toString('utf8')
    expect(written).toContain('PILOTAGE_JOB_ID=')
    const log = service.log()
    for (const [name, secret] of Object.entries(secrets)) {
      expect(secret.length, name).toBeGreaterThan(15)
      expect(log.includes(secret), `${name} in the log`).toBe(false)
      expect(written.includes(secret), `${name} in a payload's environment`).toBe(false)
      expect(history.includes(secret), `${name} in a history`).toBe(false)
      for (const seen of [...running, ...processesUnder(dir)]) {
        expect(seen.arguments.join(' ').includes(secret), `${name} in ${commandOf(seen)}`).toBe(false)
        expect(seen.environment.join(' ').includes(secret), `${name} in the environment of ${commandOf(seen)}`).toBe(false)
      }
    }

    // The VM outlives the service, as on a real cloud: it is drained before, and goes.
    await admin.drainVm(vm?.vmId ?? '', 'the test is over')
    expect(await until(clock, async () => (await admin.vms()).length === 0, { withinMs: 15_000, everyMs: 100 })).toBe(true)
    admin.close()
    expect(await service.ended('SIGINT')).toBe(0)
    await nothingLeft()
  })
})

async function stateOf(admin: PilotageClient, jobIds: readonly number[]): Promise<string> {
  for await (const job of admin.list({ jobIds })) return job.state
  return ''
}

function secretsOf({ dataDir }: ServiceFiles, vmId: string): Readonly<Record<string, string>> {
  const root = rootOf(dataDir, 'local', vmId)
  const { activationKey } = JSON.parse(readFileSync(join(root, 'etc/pilotage/agent.json'), 'utf8')) as {
    activationKey: string
  }
  const key = JSON.parse(readFileSync(join(dataDir, 'signing-key.json'), 'utf8')) as { d: string }
  return {
    'the admin token': readFileSync(join(dataDir, 'admin.token'), 'utf8').trim(),
    'the signing key': key.d,
    'the activation key': activationKey,
    "the VM's credential": readFileSync(join(root, 'run/pilotage/credential'), 'utf8').trim(),
  }
}

type Said = { readonly code?: string; readonly violations: readonly { readonly path: string }[] }

function lastSaid(log: string): Said {
  const line = log.trim().split('\n').at(-1) ?? '{}'
  return JSON.parse(line) as Said
}
