/** docs/command.md: the keys of JSON and the exit codes are those that the commands have. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startHostileService } from '../../support/hostile-service.ts'
import { run as runCommand } from '../../support/run-command.ts'

const text = readFileSync(join(import.meta.dirname, '../../../docs/command.md'), 'utf8')
const dir = mkdtempSync(join(tmpdir(), 'pilotage-command-'))
let service: Awaited<ReturnType<typeof startHostileService>>

beforeAll(async () => {
  service = await startHostileService('text')
  writeFileSync(join(dir, 'token'), 'a-token\n')
  writeFileSync(join(dir, 'job.yaml'), 'executable: a\n')
  writeFileSync(join(dir, 'trace.swf'), '1 0 -1 60 1 -1 -1 1 60 -1 -1 1 1 -1 -1 -1 -1 -1\n')
  writeFileSync(join(dir, 'site.yaml'), 'clouds: [{name: north, flavors: [{name: one, cores: 1, memory: 2GiB}]}]\n')
})
afterAll(async () => {
  await service.stop()
  rmSync(dir, { recursive: true, force: true })
})

const run = (...argv: readonly string[]) =>
  runCommand(argv, {
    environment: { PILOTAGE_SERVER: service.server, PILOTAGE_TOKEN_FILE: join(dir, 'token') },
    workDir: dir,
  })

/** The rows of the table of JSON: a command and its keys. */
const documented = new Map(
  [...text.matchAll(/^\| `([a-z ]+)` \| one[^|]* \| ([^|]+) \|$/gm)].map(([, command = '', keys = '']) => [
    command,
    keys.trim(),
  ]),
)

function keysOf(command: string): readonly string[] {
  const keys = documented.get(command) ?? ''
  const [, other] = /^as `([a-z ]+)`$/.exec(keys) ?? []
  return other === undefined ? keys.split(', ') : keysOf(other)
}

const more: Readonly<Record<string, readonly string[]>> = {
  submit: [join(dir, 'job.yaml')],
  count: ['--by', 'name'],
  'image approve': ['i', '--site', 's'],
  simulate: ['--trace', 'trace.swf', '--config', 'site.yaml'],
  'token create': ['--subject', 's', '--vo', 'v'],
  list: [],
  'image list': [],
  'share list': [],
  'share set': ['--vo', 'v', '--weight', '2'],
  'share reset': ['--vo', 'v'],
  'accounting report': [],
  'accounting bill': ['--month', '2026-11'],
  'cluster status': [],
  'cluster queues': [],
  'cluster vms': [],
  'cluster clouds': [],
}

describe('the keys of JSON', () => {
  it('are documented for many commands', () => {
    expect(documented.size).toBeGreaterThan(20)
  })

  it.each([...documented.keys()])('of %s are there', async (command) => {
    const { out, err } = await run(...command.split(' '), ...(more[command] ?? ['1']), '--json')
    expect(out, err).not.toBe('')
    const keys = Object.keys(JSON.parse(out.split('\n')[0] ?? '') as object)
    expect(keysOf(command).filter((key) => !keys.includes(key))).toEqual([])
  })
})

describe('exit codes', () => {
  it.each([
    [0, ['list']],
    [0, ['--help']],
    [1, ['config', 'current-context']],
    [1, ['config', 'check', '/nowhere']],
    [1, ['watch', '1']],
    [2, ['nonsense']],
    [2, ['list', '--nonsense']],
    [2, ['list', '--state', 'Asleep']],
    [2, ['kill', '0']],
  ])('%i of %j', async (code, argv) => {
    expect((await run(...argv)).code).toBe(code)
    expect(text).toContain(`| ${code} |`)
  })
})
