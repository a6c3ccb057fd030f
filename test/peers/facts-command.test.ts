/** `pilotage facts` as a process, against a real nats-server: what it writes, where it goes on, and how it ends. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock, until } from '../../core/kernel/clock.ts'
import type { Fact } from '../../core/model/fact-shapes.ts'
import { silentLog } from '../../core/ports/log.ts'
import { systemRandom } from '../../core/kernel/random.ts'
import { type FactStreamOptions, natsFactStream } from '../../services/adapters/bus/nats/fact-stream.ts'
import { programLine } from '../support/program.ts'
import type { NatsServer } from './nats-servers.ts'
import { startNats, whyNotOurs } from './servers.ts'

const clock = systemClock()
const within = { withinMs: 60_000 }
const limits = { maxAgeMs: 3_600_000, maxBytes: 64 * 1024 * 1024, duplicateMs: 120_000, replicas: 1 }

let server: NatsServer
const children: ChildProcess[] = []

beforeAll(async () => {
  server = await startNats()
})

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
})

afterAll(() => server.stop())

const fact = (seq: number): Fact => ({ seq, atMs: seq, subject: `job:${seq}`, kind: 'Waiting', data: { by: 'vera' } })

async function publish(
  installation: string,
  seqs: readonly number[],
  servers = [server.url],
  more: Pick<FactStreamOptions, 'credentials'> = {},
): Promise<void> {
  const base = { installation, clock, random: systemRandom(), log: silentLog(), limits, timeoutMs: 30_000 }
  const stream = natsFactStream({ ...base, ...more, servers })
  await stream.publish(seqs.map(fact))
  await stream.close()
}

type Run = {
  readonly child: ChildProcess
  seqs(): readonly number[]
  errors(): string
  /** Its exit code, or the signal that it fell to. */
  readonly over: Promise<number | NodeJS.Signals | null>
}

function facts(...more: string[]): Run {
  const child = spawn(process.execPath, programLine('facts', ...more), { stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  let out = ''
  let errors = ''
  child.stdout.on('data', (piece: Buffer) => {
    out += piece
  })
  child.stderr.on('data', (piece: Buffer) => {
    errors += piece
  })
  const lines = (): readonly string[] => out.split('\n').slice(0, -1)
  return {
    child,
    seqs: () => lines().map((line) => (JSON.parse(line) as Fact).seq),
    errors: () => errors,
    over: new Promise((resolve) => child.once('close', (code, signal) => resolve(code ?? signal))),
  }
}

function reader(installation: string, ...more: string[]): Run {
  return facts('--nats', server.url, '--installation', installation, ...more)
}

describe('pilotage facts', () => {
  it('writes what there is, one fact a line, and ends', async () => {
    const installation = server.newPrefix()
    await publish(installation, [1, 2, 3])
    const run = reader(installation)
    const text = await new Promise<string>((resolve) => run.child.stdout?.once('data', (piece) => resolve(String(piece))))
    expect(JSON.parse(text.split('\n')[0] ?? '')).toEqual(fact(1))
    expect([await run.over, run.seqs(), run.errors()]).toEqual([0, [1, 2, 3], ''])
    const none = reader(installation, '--from', 'now')
    expect([await none.over, none.seqs(), none.errors()]).toEqual([0, [], ''])
  })

  it('follows under a durable name, ends at a signal, and goes on where it was', async () => {
    const installation = server.newPrefix()
    await publish(installation, [1, 2])
    const first = reader(installation, '--follow', '--durable', 'history')
    expect(await until(clock, () => first.seqs().length === 2, within)).toBe(true)
    await publish(installation, [3])
    expect(await until(clock, () => first.seqs().length === 3, within)).toBe(true)
    first.child.kill('SIGTERM')
    expect([await first.over, first.seqs()]).toEqual([0, [1, 2, 3]])
    await publish(installation, [4, 5])
    const second = reader(installation, '--durable', 'history', '--from', 'beginning')
    expect([await second.over, second.seqs()]).toEqual([0, [4, 5]])
  })

  it('ends when no program reads its lines any more, and gives those back', async () => {
    const installation = server.newPrefix()
    await publish(installation, [1, 2, 3])
    const first = reader(installation, '--follow', '--durable', 'history')
    expect(await until(clock, () => first.seqs().length === 3, within)).toBe(true)
    first.child.stdout?.destroy()
    await publish(installation, [4, 5])
    expect(await first.over).toBe(0)
    const second = reader(installation, '--follow', '--durable', 'history')
    expect(await until(clock, () => second.seqs().length === 2, within)).toBe(true)
    expect(second.seqs().toSorted()).toEqual([4, 5])
    second.child.kill('SIGINT')
    expect(await second.over).toBe(0)
  })

  it('waits for a server that goes and comes back', async (context) => {
    context.skip(whyNotOurs('nats-server') !== undefined, whyNotOurs('nats-server'))
    const own = await startNats()
    try {
      const installation = own.newPrefix()
      await publish(installation, [1], [own.url])
      const run = facts('--nats', own.url, '--installation', installation, '--follow')
      expect(await until(clock, () => run.seqs().length === 1, within)).toBe(true)
      await own.kill()
      expect(await until(clock, () => run.errors().includes('NATS is away'), within)).toBe(true)
      await own.start()
      await publish(installation, [2], [own.url])
      expect(await until(clock, () => run.seqs().length === 2, within)).toBe(true)
      expect(run.errors()).toContain('NATS is back')
      run.child.kill('SIGINT')
      expect([await run.over, run.seqs()]).toEqual([0, [1, 2]])
    } finally {
      await own.stop()
    }
  })

  it('finds NATS, its password and the installation where the service does', async (context) => {
    context.skip(whyNotOurs('nats-server') !== undefined, whyNotOurs('nats-server'))
    const guarded = await startNats({ arguments: ['--user', 'pilotage', '--pass', 'very-secret'] })
    const dir = mkdtempSync(join(tmpdir(), 'pilotage-facts-'))
    try {
      const installation = guarded.newPrefix()
      writeFileSync(join(dir, 'password'), 'very-secret\n')
      writeFileSync(join(dir, 'installation'), `${installation}\n`)
      const nats = { servers: [guarded.url], user: 'pilotage', passwordFile: 'password' }
      writeFileSync(join(dir, 'pilotage.yaml'), JSON.stringify({ nats }))
      const run = facts('--config', join(dir, 'pilotage.yaml'), '--data', dir, '--follow')
      const credentials = { kind: 'password', user: 'pilotage', password: 'very-secret' } as const
      await publish(installation, [1, 2], [guarded.url], { credentials })
      expect(await until(clock, () => run.seqs().length === 2, within)).toBe(true)
      run.child.kill('SIGTERM')
      expect(await run.over).toBe(0)
      writeFileSync(join(dir, 'password'), 'wrong-secret\n')
      const refused = facts('--config', join(dir, 'pilotage.yaml'), '--data', dir)
      expect([await refused.over, refused.seqs()]).toEqual([1, []])
      expect(refused.errors()).toContain('Authorization Violation')
      expect(refused.errors()).not.toContain('secret')
    } finally {
      await guarded.stop()
      rmSync(dir, { recursive: true, force: true })
    }
  })

  it('says what is wrong', async () => {
    const unknown = reader(server.newPrefix())
    expect([await unknown.over, unknown.errors()]).toEqual([1, expect.stringContaining('not-found')])
    const nameless = reader('a.b')
    expect([await nameless.over, nameless.errors()]).toEqual([1, expect.stringContaining('invalid-argument')])
    const wrong = reader('a', '--from', 'yesterday')
    expect([await wrong.over, wrong.errors()]).toEqual([2, expect.stringContaining("'yesterday' is invalid")])
    const homeless = facts('--installation', 'a')
    expect([await homeless.over, homeless.errors()]).toEqual([2, expect.stringContaining('--nats')])
  })
})
