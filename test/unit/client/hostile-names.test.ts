/**
 * Every command of the program against a service whose answers are hostile in every text: nothing that a terminal acts on
 * reaches it. The commands are asked of the program itself, so that none is forgotten.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runCommand } from '../../../cli/program.ts'
import { systemClock } from '../../../core/kernel/clock.ts'
import { seededRandom } from '../../../core/kernel/random.ts'
import { startHostileService } from '../../support/hostile-service.ts'
import { run } from '../../support/run-command.ts'

/** Clears the screen, writes the clipboard, turns the line around, hides itself. */
const hostile = 'a\u001b[2J\u009b2J\u009d52;c;eA==\u009c\u007f\u202eb\u200b\ufeff\n\u2028c'
/** But for the colours of our own. */
const acts =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what must not reach a terminal
  /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\u001b(?!\[(?:0|1|2|31|32|36)m)/

/** What a payload prints may be made of letters that join, and hide. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what must not reach a terminal
const payloadActs = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/

/** How each command that asks the service is called. */
const asking: Readonly<Record<string, readonly string[]>> = {
  submit: ['submit', 'job.yaml'],
  run: ['run', '--', 'true'],
  status: ['status', '1'],
  list: ['list'],
  count: ['count', '--by', 'name'],
  group: ['group', 'g'],
  kill: ['kill', '1'],
  hold: ['hold', '1'],
  release: ['release', '1'],
  reschedule: ['reschedule', '1'],
  delete: ['delete', '1'],
  prioritise: ['prioritise', '--owner', 'o', '--priority', '1'],
  history: ['history', '1'],
  explain: ['explain', '1'],
  output: ['output', '1'],
  peek: ['peek', '1', '--now'],
  watch: ['watch', '1'],
  'job spec': ['job', 'spec', '1'],
  'cluster status': ['cluster', 'status'],
  'cluster queues': ['cluster', 'queues'],
  'cluster vms': ['cluster', 'vms'],
  'cluster clouds': ['cluster', 'clouds'],
  'vm history': ['vm', 'history', 'vm-a'],
  'vm drain': ['vm', 'drain', 'vm-a'],
  'image list': ['image', 'list'],
  'share list': ['share', 'list'],
  'share set': ['share', 'set', '--vo', 'v', '--weight', '2'],
  'share reset': ['share', 'reset', '--vo', 'v'],
  'image approve': ['image', 'approve', 'i', '--site', 's'],
  'image disapprove': ['image', 'disapprove', 'i', '--site', 's'],
  'image revoke': ['image', 'revoke', 'i'],
  'accounting report': ['accounting', 'report', '--by', 'owner'],
  'accounting bill': ['accounting', 'bill', '--month', '2026-11'],
  'accounting export': ['accounting', 'export', '--month', '2026-11', '--format', 'apel-individual'],
  'token create': ['token', 'create', '--subject', 's', '--vo', 'v'],
}

/** They ask no service for texts of others. */
const own = [
  'job check',
  'job convert',
  'job schema',
  'image keygen',
  'image endorse',
  'image add',
  'serve',
  'config check',
  'config schema',
  'config set-context',
  'config use-context',
  'config current-context',
  'config get-contexts',
  'config delete-context',
  'context render',
  'facts',
  'store export',
  'store import',
  'completion',
  'demo',
  'replay',
  'simulate',
]

let dir: string
let service: Awaited<ReturnType<typeof startHostileService>>

beforeAll(async () => {
  service = await startHostileService(hostile)
  dir = mkdtempSync(join(tmpdir(), 'pilotage-hostile-'))
  writeFileSync(join(dir, 'token'), 'a-token\n')
  writeFileSync(join(dir, 'job.yaml'), 'executable: a\n')
})
afterAll(async () => {
  await service.stop()
  rmSync(dir, { recursive: true, force: true })
})

async function shown(argv: readonly string[], isTerminal: boolean): Promise<string> {
  const out: Buffer[] = []
  const keep = async (text: string | Uint8Array): Promise<boolean> => out.push(Buffer.from(text)) > 0
  await runCommand(argv, {
    terminal: {
      isTerminal,
      hasColors: isTerminal,
      progressColumns: isTerminal ? 80 : undefined,
      write: keep,
      writeError: keep,
      say: (line) => out.push(Buffer.from(`${line}\n`)),
      progress: (line) => out.push(Buffer.from(line)),
    },
    environment: { PILOTAGE_SERVER: service.server, PILOTAGE_TOKEN_FILE: join(dir, 'token') },
    workDir: dir,
    clock: systemClock(),
    random: seededRandom(1),
    stdin: (async function* () {})(),
    isStdinTerminal: false,
    signal: AbortSignal.timeout(10_000),
    onReload: () => {},
    startService: () => Promise.reject(new Error('no service of its own here')),
  })
  return Buffer.concat(out).toString('utf8')
}

async function wordsAfter(...words: readonly string[]): Promise<readonly string[]> {
  const { out } = await run(['__complete', '--', ...words, ''])
  return out.split('\n').flatMap((line) => (line.includes('\t') ? [line.split('\t')[0] ?? ''] : []))
}

async function everyCommand(): Promise<readonly string[]> {
  const groups = ['job', 'cluster', 'vm', 'image', 'share', 'accounting', 'token', 'config', 'context', 'store']
  const names = (await wordsAfter()).filter((name) => name !== 'help')
  const all = names.map(async (name) => {
    if (!groups.includes(name)) return [name]
    const below = (await wordsAfter(name)).filter((word) => word !== 'help')
    return below.map((word) => `${name} ${word}`)
  })
  return (await Promise.all(all)).flat()
}

it('knows every command of the program', async () => {
  const listed = [...Object.keys(asking), ...own]
  expect((await everyCommand()).filter((name) => !listed.includes(name))).toEqual([])
})

it.each(Object.entries(asking))('%s gives a terminal nothing that it acts on', async (_, argv) => {
  const call = argv.map((word) => (word === 'job.yaml' ? join(dir, word) : word))
  const options = call.includes('--') ? call.indexOf('--') : call.length
  for (const words of [call, call.toSpliced(options, 0, '--json')]) {
    const text = await shown(words, true)
    expect(text.length).toBeGreaterThan(0)
    expect(text).not.toMatch(['output', 'peek'].includes(argv[0] ?? '') ? payloadActs : acts)
  }
})

it('proves something: the texts do arrive', async () => {
  for (const name of ['list', 'cluster vms', 'image list', 'history', 'cluster clouds'])
    expect(await shown(asking[name] ?? [], true), name).toContain('[2J')
})
