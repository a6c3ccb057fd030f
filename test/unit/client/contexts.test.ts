/** Contexts of the command: kept in a file of the user's alone, and used in their order after options and environment. */

import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { connectionOf } from '../../../cli/connection.ts'
import type { CommonOptions } from '../../../cli/setting.ts'
import { run as runCommand, type Ran } from '../../support/run-command.ts'
import { type FakeService, startFakeService } from './fake-service.ts'

let dir: string
let environment: Record<string, string>

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-contexts-'))
  environment = { XDG_CONFIG_HOME: join(dir, 'config') }
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const path = (): string => join(dir, 'config/pilotage/contexts.json')
const run = (...argv: readonly string[]): Promise<Ran> => runCommand(argv, { environment, workDir: dir })
const connection = (options: CommonOptions = {}) => connectionOf({ environment, workDir: dir }, options)

async function twoContexts(): Promise<void> {
  await run('config', 'set-context', 'one', '--server', 'one.test:7400', '--token-file', 'one.token', '--ca-file', 'one.pem')
  await run('config', 'set-context', 'two', '--server', 'two.test:7400', '--token-file', '/two.token')
}

describe('pilotage config', () => {
  it('keeps contexts in a file that only its user reads and writes', async () => {
    await twoContexts()
    expect(statSync(path()).mode & 0o777).toBe(0o600)
    expect(statSync(join(dir, 'config/pilotage')).mode & 0o777).toBe(0o700)
    const one = { server: 'one.test:7400', tokenFile: join(dir, 'one.token'), caFile: join(dir, 'one.pem') }
    const two = { server: 'two.test:7400', tokenFile: '/two.token' }
    expect(JSON.parse(readFileSync(path(), 'utf8'))).toEqual({ current: 'one', contexts: { one, two } })
    expect((await run('config', 'get-contexts', '--quiet')).out).toBe('one\ntwo\n')
    const listed = (await run('config', 'get-contexts', '--json')).out.trim().split('\n')
    expect(listed.map((line) => JSON.parse(line))).toEqual([
      { name: 'one', ...one, isCurrent: true },
      { name: 'two', ...two, isCurrent: false },
    ])
  })

  it('changes what is given and leaves the rest', async () => {
    await twoContexts()
    await run('config', 'set-context', 'two', '--ca-file', '/two.pem')
    expect(JSON.parse(readFileSync(path(), 'utf8')).contexts.two).toEqual({
      server: 'two.test:7400',
      tokenFile: '/two.token',
      caFile: '/two.pem',
    })
  })

  it('makes a context current, says which, and forgets one', async () => {
    expect(await run('config', 'current-context')).toMatchObject({ code: 1, out: '' })
    await twoContexts()
    expect((await run('config', 'use-context', 'two')).out).toBe('context two: two.test:7400 (current)\n')
    expect(await run('config', 'current-context')).toMatchObject({ code: 0, out: 'two\n' })
    expect((await run('config', 'delete-context', 'two')).code).toBe(0)
    expect((await run('config', 'current-context')).code).toBe(1)
    expect((await run('config', 'get-contexts', '-q')).out).toBe('one\n')
  })

  it.each([
    [['config', 'use-context', 'three'], 'there is no context three; accepted: one, two'],
    [['config', 'delete-context', 'three'], 'there is no context three'],
    [['list', '--context', '__proto__'], 'there is no context __proto__'],
    [['config', 'set-context', 'three'], 'give the address of its service with --server'],
    [['config', 'set-context', 'a b', '--server', 'x:1'], 'a b is no name of a context'],
    [['config', 'set-context', 'x', '--server', 'nowhere'], 'nowhere is no server'],
  ])('refuses %j', async (argv, text) => {
    await twoContexts()
    const before = readFileSync(path(), 'utf8')
    const { code, err } = await run(...argv)
    expect([code, err]).toEqual([1, expect.stringContaining(text)])
    expect(readFileSync(path(), 'utf8')).toBe(before)
  })

  it('refuses a file that others may write, and one that holds something else', async () => {
    await twoContexts()
    chmodSync(path(), 0o620)
    expect((await run('list')).err).toMatch(/has mode 620, so others may write it: chmod 600 it/)
    for (const text of ['{', '[]', '{"contexts": {"a": {"server": 7}}}', '{"contexts": {"a": {"server": "x"}}}']) {
      writeFileSync(path(), text)
      chmodSync(path(), 0o600)
      expect((await run('list')).err).toContain('does not hold contexts')
    }
  })

  it('needs a home', async () => {
    environment = {}
    expect((await run('config', 'set-context', 'a', '--server', 'x:1')).err).toContain('set XDG_CONFIG_HOME or HOME')
    environment = { HOME: dir }
    await run('config', 'set-context', 'a', '--server', 'x:1')
    expect(existsSync(join(dir, '.config/pilotage/contexts.json'))).toBe(true)
  })
})

describe('a command takes', () => {
  const servers = async (options: CommonOptions) => {
    const { server, tokenFile, caFile, from } = connection(options)
    return [server, tokenFile, caFile, from]
  }

  it('options before a named context, that before the environment, and the environment before the current context', async () => {
    await twoContexts()
    const ofOne = ['one.test:7400', join(dir, 'one.token'), join(dir, 'one.pem')]
    expect(await servers({})).toEqual([...ofOne, 'context'])
    environment.PILOTAGE_TOKEN_FILE = '/env.token'
    expect(await servers({})).toEqual(['one.test:7400', '/env.token', join(dir, 'one.pem'), 'context'])
    expect(await servers({ context: 'two' })).toEqual(['two.test:7400', '/two.token', undefined, 'context'])
    expect(await servers({ context: 'two', tokenFile: 'my.token' })).toEqual([
      'two.test:7400',
      'my.token',
      undefined,
      'context',
    ])
    environment.PILOTAGE_SERVER = 'env.test:1'
    expect(await servers({ context: 'two' })).toEqual(['two.test:7400', '/two.token', undefined, 'context'])
    expect(await servers({ server: 'far.test:1', tokenFile: 'my.token' })).toEqual([
      'far.test:1',
      'my.token',
      undefined,
      'option',
    ])
  })

  it('nothing of the current context for another service', async () => {
    await twoContexts()
    expect(await servers({ server: 'far.test:1' })).toEqual(['far.test:1', undefined, undefined, 'option'])
    environment.PILOTAGE_SERVER = 'env.test:1'
    expect(await servers({})).toEqual(['env.test:1', undefined, undefined, 'environment'])
    environment.PILOTAGE_SERVER = 'one.test:7400'
    expect((await servers({}))[1]).toBe(join(dir, 'one.token'))
  })

  it('the installation of this directory where nothing else is known', async () => {
    expect(await servers({})).toEqual(['127.0.0.1:7400', undefined, undefined, 'default'])
    mkdirSync(join(dir, 'pilotage-data'))
    writeFileSync(join(dir, 'pilotage-data/admin.token'), 't')
    expect((await servers({}))[1]).toBe(join(dir, 'pilotage-data/admin.token'))
  })
})

describe('with a service', () => {
  let fake: FakeService
  beforeEach(async () => {
    fake = await startFakeService()
  })
  afterEach(() => fake.stop())

  it('a context is all that a command needs', async () => {
    writeFileSync(join(dir, 'token'), 'vo1/ada\n')
    await run('config', 'set-context', 'here', '--server', fake.server, '--token-file', 'token')
    expect(await run('list', '--json')).toMatchObject({ code: 0, err: '' })
    expect(await run('list', '--json', '--context', 'here')).toMatchObject({ code: 0, err: '' })
  })
})
