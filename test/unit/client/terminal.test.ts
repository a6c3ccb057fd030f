/** No command gives a terminal anything that it acts on, whatever other people named their jobs and whatever these wrote. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runCommand } from '../../../cli/program.ts'
import { safeTerminal } from '../../../cli/output/terminal.ts'
import { systemClock } from '../../../core/kernel/clock.ts'
import { seededRandom } from '../../../core/kernel/random.ts'
import { Job, JobState } from '../../../proto/gen/pilotage/v1/job.ts'
import { type FakeService, startFakeService } from './fake-service.ts'

let fake: FakeService
let dir: string

beforeEach(async () => {
  fake = await startFakeService()
  dir = mkdtempSync(join(tmpdir(), 'pilotage-terminal-'))
  writeFileSync(join(dir, 'token'), 'vo1/ada\n')
})
afterEach(async () => {
  await fake.stop()
  rmSync(dir, { recursive: true, force: true })
})

async function run(argv: readonly string[], isTerminal: boolean): Promise<Buffer> {
  const out: Buffer[] = []
  await runCommand(argv, {
    terminal: {
      isTerminal,
      write: async (text) => out.push(Buffer.from(text)) > 0,
      say: (line) => out.push(Buffer.from(line)),
      writeError: async () => true,
      progress: (line) => out.push(Buffer.from(line)),
    },
    environment: { PILOTAGE_SERVER: fake.server, PILOTAGE_TOKEN_FILE: join(dir, 'token') },
    workDir: dir,
    clock: systemClock(),
    random: seededRandom(1),
    stdin: (async function* () {})(),
    isStdinTerminal: false,
    signal: new AbortController().signal,
    onReload: () => {},
    startService: () => Promise.reject(new Error('no service of its own here')),
  })
  return Buffer.concat(out)
}

/** Clears the screen, writes the clipboard, turns the line around, hides itself. */
const hostile = 'a\u001b[2J\u009b2J\u009d52;c;eA==\u009c\u007f\u202eb\u200b\ufeff\u{e0041}\n\u2028c'
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what must not reach a terminal
const acts = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\ud800-\udfff]/

function name(job: Partial<Job>): void {
  fake.jobs.set(
    1,
    Job.fromPartial({ jobId: 1, state: JobState.WAITING, vo: 'vo1', submitTime: new Date(1_000_000), ...job }),
  )
}

describe('names and reasons', () => {
  const commands = [['status', '1'], ['list'], ['watch', '1'], ['history', '1'], ['explain', '1']]

  it.each(commands.flatMap((command) => [command, [...command, '--json']]))('are harmless in %s %s %s', async (...argv) => {
    name({ name: hostile, reason: hostile, owner: hostile, vmId: hostile })
    for (const isTerminal of [true, false]) {
      const text = (await run(argv, isTerminal)).toString('utf8')
      expect(text.length).toBeGreaterThan(20)
      expect(text).not.toMatch(acts)
    }
  })

  it('are the same value in JSON as they were', async () => {
    name({ name: hostile, reason: hostile })
    const parsed = JSON.parse((await run(['status', '1', '--json'], true)).toString('utf8')) as Job
    expect([parsed.name, parsed.reason]).toEqual([hostile, hostile])
  })

  it('keep a table one line a row', async () => {
    name({ name: hostile })
    expect((await run(['status', '1'], true)).toString('utf8').split('\n')).toHaveLength(3)
  })

  it('are harmless in a refusal, which quotes what was given', async () => {
    const code = 3
    fake.failNext('listJobs', 9, {
      code,
      detail: {
        code: 'invalid-argument',
        text: hostile,
        violations: [{ path: hostile, value: hostile, rule: 'r', accepted: 'a' }],
      },
    })
    for (const argv of [['list'], ['list', '--json']]) {
      const text = (await run(argv, true)).toString('utf8')
      expect(text).toContain('invalid-argument')
      expect(text).not.toMatch(acts)
    }
  })
})

describe('output', () => {
  const bytes = Buffer.from(`one\ttwo\n${hostile} Zoë 👩‍🚀 \u0000`)
  const whole = Buffer.concat([bytes, Buffer.of(0xff, 0x9b, 0xf0, 0x9f)])

  it('is every byte as it is where it goes to a file or a pipe, and with --raw', async () => {
    fake.output = [whole.subarray(0, 50), whole.subarray(50)]
    expect((await run(['output', '1'], false)).equals(whole)).toBe(true)
    expect((await run(['output', '1', '--raw'], true)).equals(whole)).toBe(true)
  })

  it('is shown with its controls spelled out on a terminal, however it comes in pieces', async () => {
    for (const size of [1, 2, 3, 7, whole.length]) {
      const count = Math.ceil(whole.length / size)
      fake.output = Array.from({ length: count }, (_, at) => whole.subarray(at * size, (at + 1) * size))
      const text = (await run(['output', '1'], true)).toString('utf8')
      expect(text.startsWith('one\ttwo\na^[[2J\\u009b2J\\u009d52;c;eA==\\u009c^?\\u202eb')).toBe(true)
      expect(text.endsWith(' Zoë 👩‍🚀 ^@\ufffd\ufffd\ufffd')).toBe(true)
    }
  })
})

it('shows a text that its command writes as it comes', async () => {
  const argv = ['token', 'create', '--vo', 'vo1', '--group', 'g', '--subject', 'a\u009bb']
  expect((await run(argv, true)).toString('utf8')).toContain('vo1/a\\u009bb\n')
})

it('lets no text through as it is, whatever a command forgot', async () => {
  const seen: (string | Uint8Array)[] = []
  const terminal = safeTerminal({
    isTerminal: true,
    write: async (text) => seen.push(text) > 0,
    say: (line) => seen.push(line),
    writeError: async () => true,
    progress: (line) => seen.push(line),
  })
  await terminal.write('a\u009b\tb\n')
  terminal.say('c\u001b')
  terminal.progress('d\n\u202e')
  await terminal.write(Buffer.from('e\u001b'))
  expect(seen).toEqual(['a\\u009b\tb\n', 'c\\u001b', 'd\\u000a\\u202e', Buffer.from('e\u001b')])
})
