/** The `pilotage` program as a whole: its commands, their help, options anywhere on the line, and how the process ends. */

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { runCommand } from '../../../cli/program.ts'
import { systemClock, until } from '../../../core/kernel/clock.ts'
import { seededRandom } from '../../../core/kernel/random.ts'
import { discouragedIn } from '../../structure/words.ts'
import { programLine, programOptions } from '../../support/program.ts'

const dir = mkdtempSync(join(tmpdir(), 'pilotage-program-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

async function run(...argv: string[]): Promise<{ readonly code: unknown; readonly out: string; readonly err: string }> {
  const said: Record<'out' | 'err', string[]> = { out: [], err: [] }
  const code = await runCommand(argv, {
    terminal: {
      isTerminal: true,
      write: async (text) => said.out.push(String(text)) > 0,
      say: (line) => said.err.push(line),
      writeError: async () => true,
      progress: () => {},
    },
    environment: {},
    workDir: dir,
    clock: systemClock(),
    random: seededRandom(1),
    stdin: (async function* () {})(),
    isStdinTerminal: true,
    signal: new AbortController().signal,
    onReload: () => {},
    startService: () => Promise.reject(new Error('no service of its own here')),
  })
  return { code, out: said.out.join(''), err: said.err.join('\n') }
}

const groups = { job: 4, cluster: 4, vm: 2, image: 7, share: 3, accounting: 3, token: 1, config: 7, context: 1, store: 2 }
const single: readonly string[] =
  'submit run status list count group kill hold release reschedule delete prioritise history explain output peek watch serve facts completion demo replay simulate'.split(
    ' ',
  )

/** The names that a help text lists as commands: two spaces, a name, and its arguments. */
function listed(help: string): readonly string[] {
  const [, commands = ''] = help.split(/^(?:Jobs|Commands):$/m)
  return [...commands.matchAll(/^ {2}([a-z-]+)\b/gm)].map(([, name = '']) => name).filter((name) => name !== 'help')
}

describe('help', () => {
  it('lists every command', async () => {
    const { code, out } = await run('--help')
    expect(code).toBe(0)
    expect([...listed(out)].sort()).toEqual([...single, ...Object.keys(groups)].sort())
  })

  it.each(Object.entries(groups))('of %s lists its %i commands, each with a help of its own', async (group, count) => {
    const names = listed((await run(group, '--help')).out)
    expect(names).toHaveLength(count)
    for (const name of names) {
      const { code, out } = await run(group, name, '--help')
      expect([code, out]).toEqual([0, expect.stringContaining(`Usage: pilotage ${group} ${name}`)])
    }
  })

  it.each(single)('of %s names its options', async (name) => {
    const { code, out } = await run(name, '--help')
    expect([code, out]).toEqual([0, expect.stringMatching(new RegExp(`^Usage: pilotage ${name} .*Options:`, 's'))])
  })

  it('uses no word that a reader has to learn', async () => {
    const texts = [await run('--help')]
    for (const group of [...single, ...Object.keys(groups)]) {
      const help = await run(group, '--help')
      texts.push(help)
      for (const name of single.includes(group) ? [] : listed(help.out)) texts.push(await run(group, name, '--help'))
    }
    const words = ({ out }: (typeof texts)[number]): readonly string[] => [
      ...discouragedIn(out),
      ...(out.match(/\b(?:goes on|shall)\b/gi) ?? []),
    ]
    expect(texts.flatMap(words)).toEqual([])
  })
})

describe('options of the whole program', () => {
  const lines = [
    '--json facts --installation a --nats X',
    'facts --json --nats X --installation a',
    'facts --nats X --installation a --json',
  ]

  it.each(lines)('count anywhere: %s', async (line) => {
    const { code, err } = await run(...line.replace('X', 'nats://192.0.2.1:4222').split(' '))
    expect(code).toBe(1)
    expect(JSON.parse(err)).toMatchObject({ error: { code: 'invalid-argument', violations: [{ path: '--nats' }] } })
  })

  it('count before and after a command of a group', async () => {
    const file = join(dir, 'token')
    writeFileSync(file, 'a b')
    for (const line of [
      `--token-file ${file} cluster status`,
      `cluster --token-file ${file} status`,
      `cluster status --token-file ${file}`,
    ]) {
      expect((await run(...line.split(' '))).err).toContain('does not contain a token')
    }
  })
})

describe('wrong usage', () => {
  it.each([
    ['facts', 'give either --nats or --config'],
    ['facts --nats a --config b', 'give either --nats or --config'],
    ['facts --nats a --from yesterday', "'yesterday' is invalid"],
    ['store', 'Usage: pilotage store'],
    ['store export', 'give --to FILE'],
    ['store import', 'give --from FILE'],
    ['store export --from x', "unknown option '--from'"],
    ['store export --while-running --to x', 'stop every service on the store first'],
    ['context render --config x', "required option '--cloud <name>' not specified"],
    ['serve --rolle api', "unknown option '--rolle'"],
    ['list --limit 0', 'accepted: a whole number from 1 to 1000000000'],
    ['kill 0', 'accepted: the number of a job, 1 or more'],
    ['token create --subject a --vo b --role root', 'Allowed choices are user, operator, admin'],
  ])('%s', async (line, text) => {
    const { code, err } = await run(...line.split(' '))
    expect([code, err]).toEqual([2, expect.stringContaining(text)])
  })
})

describe('a configuration', () => {
  it('is checked without a service', async () => {
    const file = join(dir, 'pilotage.yaml')
    writeFileSync(file, 'grpc: { port: 0 }\n')
    expect(await run('config', 'check', file)).toMatchObject({ code: 0, out: expect.stringContaining('ok (store: sqlite') })
    writeFileSync(file, 'grpc: { prt: 0 }\n')
    expect(await run('config', 'check', file)).toMatchObject({ code: 1, err: expect.stringContaining('grpc.prt') })
    expect(await run('config', 'check', join(dir, 'none'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('not-found'),
    })
  })

  it('has a schema', async () => {
    const { code, out } = await run('config', 'schema')
    expect([code, JSON.parse(out)]).toEqual([0, expect.objectContaining({ properties: expect.anything() })])
  })
})

describe('the process', () => {
  const started = new Set<ChildProcess>()
  // One that a failed test left: by its own handle, which has its number.
  afterEach(() => {
    for (const child of started) child.kill('SIGKILL')
    started.clear()
  })

  function start(...argv: string[]) {
    const child = spawn(process.execPath, programLine(...argv), { cwd: dir, stdio: ['pipe', 'pipe', 'pipe'] })
    started.add(child)
    child.on('close', () => started.delete(child))
    let said = ''
    let out = ''
    child.stderr.on('data', (piece) => {
      said += piece
    })
    child.stdout.on('data', (piece) => {
      out += piece
    })
    const over = new Promise((resolve) => child.on('close', (code, signal) => resolve(code ?? signal)))
    return { child, over, said: () => said, out: () => out }
  }

  it('is started with the same options of Node everywhere', () => {
    const root = join(import.meta.dirname, '../../..')
    const entry = JSON.parse(/^ENTRYPOINT (.+)$/m.exec(readFileSync(join(root, 'Dockerfile'), 'utf8'))?.[1] ?? '[]')
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    expect(programOptions).toEqual([expect.stringMatching(/^--max-semi-space-size=\d+$/)])
    expect(entry).toEqual(['node', ...programOptions, 'bin/pilotage.ts'])
    expect(scripts.demo).toBe(['node', ...programOptions, 'bin/pilotage.ts demo'].join(' '))
  })

  it('reads the configuration of a service again at SIGHUP, and serves on', async () => {
    const config = join(dir, 'reloaded.yaml')
    const write = (level: string, more = ''): void =>
      writeFileSync(config, `log: { level: ${level} }\ngrpc: { port: 0 }\ndashboard: { port: 0 }\n${more}`)
    const lines = (): Record<string, unknown>[] =>
      served
        .out()
        .split('\n')
        .flatMap((line) => (line === '' ? [] : [JSON.parse(line)]))
    const reloads = (): unknown[] =>
      lines().flatMap(({ msg, logLevel, atNextStart }) => {
        return msg === 'configuration reloaded' ? [[logLevel, atNextStart]] : []
      })
    const said = (text: string) => until(systemClock(), () => served.out().includes(text), { withinMs: 20_000 })
    write('info')
    const served = start('serve', '--data', join(dir, 'reloaded'), '--config', config)
    expect(await said('"msg":"serving"')).toBe(true)
    write('debug', 'vm: { idleTimeout: 7m }\n')
    served.child.kill('SIGHUP')
    expect(await until(systemClock(), () => reloads().length === 1, { withinMs: 10_000 })).toBe(true)
    expect(reloads()).toEqual([['debug', ['vm']]])
    write('nonsense')
    served.child.kill('SIGHUP')
    expect(await said('the running configuration stays')).toBe(true)
    // No line below the level, whichever part of the service writes it.
    write('error')
    served.child.kill('SIGHUP')
    served.child.kill('SIGTERM')
    expect(await served.over).toBe(0)
    expect(served.out()).not.toContain('"msg":"stopped"')
  })

  it('ends with the code of what happened', async () => {
    expect(await start('--version').over).toBe(0)
    expect(await start('store', 'export', '--data', join(dir, 'none'), '--to', 'x').over).toBe(1)
    expect(await start('frobnicate').over).toBe(2)
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('ends an import by %s with %i', async (signal, code) => {
    const data = join(dir, signal)
    const { child, over, said } = start('store', 'import', '--data', data)
    // It has opened the store and waits for an archive.
    await until(systemClock(), () => existsSync(join(data, 'pilotage.db')), { withinMs: 60_000, everyMs: 20 })
    child.kill(signal)
    expect([await over, said()]).toEqual([code, `pilotage: interrupted (${signal})\n`])
  })
})
