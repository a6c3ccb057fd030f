/** How commands print: colours, names alone, and what to do after an error. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeTable } from '../../../cli/output/rows.ts'
import { nextSteps, refusalText } from '../../../cli/output/refusal.ts'
import { type Column, stateTone, table } from '../../../cli/output/table.ts'
import { safeTerminal, streamTerminal, wantsColors } from '../../../cli/output/terminal.ts'
import { systemClock } from '../../../core/kernel/clock.ts'
import { errorCodes, PilotageError } from '../../../core/kernel/errors.ts'
import { run as runCommand } from '../../support/run-command.ts'
import { startHostileService } from '../../support/hostile-service.ts'
import { type FakeService, startFakeService } from './fake-service.ts'

type Row = { readonly name: string; readonly state: string }
const columns: readonly Column<Row>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'STATE', cell: ({ state }) => state, tone: stateTone },
]
const rows: readonly Row[] = [
  { name: 'a\u001b[31m', state: 'Done' },
  { name: 'b', state: 'Waiting' },
]

describe('colours', () => {
  it('are of states, on a terminal that wants them, and change no width', async () => {
    const written: string[] = []
    const stream = {
      isTTY: true,
      columns: 80,
      write: (text: string | Uint8Array, done: () => void) => {
        written.push(Buffer.from(text).toString())
        done()
        return true
      },
    }
    const terminal = safeTerminal(streamTerminal(stream as never, stream as never, systemClock(), true))
    await writeTable(terminal, columns, rows)
    const [head, first, second] = written.join('').split('\n')
    expect(head?.replaceAll('\u001b', 'ESC')).toMatch(/^ESC\[1mNAME +ESC\[0m {2}ESC\[1mSTATE +ESC\[0m$/)
    expect(first).toMatch(/^a\^\[\[31m|^a\\u001b\[31m/)
    expect(first).toContain('\u001b[32mDone   \u001b[0m')
    expect(second).not.toContain('\u001b')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the colours are taken away
    const plain = written.join('').replaceAll(/\u001b\[\d+m/g, '')
    expect(plain.split('\n').map((line) => line.trimEnd())).toEqual(table(columns, rows, true).split('\n'))
  })

  it.each([
    [{ TERM: 'xterm' }, true],
    [{ TERM: 'xterm', NO_COLOR: '' }, true],
    [{ TERM: 'xterm', NO_COLOR: '1' }, false],
    [{ TERM: 'dumb' }, false],
    [{}, false],
  ])('with %j are wanted: %s', (environment, wanted) => {
    expect(wantsColors(environment)).toBe(wanted)
  })

  it('are not written into a file or a pipe', () => {
    const stream = { isTTY: false, columns: 80, write: () => true }
    expect(streamTerminal(stream as never, stream as never, systemClock(), true).hasColors).toBe(false)
  })
})

describe('an error says what to do next', () => {
  /** Their messages are written where the step is known, or they never reach a command. */
  const without = ['invalid-argument', 'conflict', 'unsupported', 'cancelled']

  it('for every code that a command meets', () => {
    const open = errorCodes.filter((code) => !(code in nextSteps) && !code.startsWith('cloud-'))
    expect(open).toEqual(without)
    expect(refusalText(new PilotageError('forbidden', 'no'))).toBe(
      'pilotage: no [forbidden]\n  next: ask a person who has the role, or use the token of the owner (--token-file)',
    )
  })

  it('by the wrong fields where there are some', () => {
    const violations = [{ path: 'a', value: '1', rule: 'r', accepted: '2' }]
    const text = refusalText(new PilotageError('not-found', 'no', { violations }))
    expect(text).toBe('pilotage: no [not-found]\n  a: r (given: 1); accepted: 2')
  })

  it('where the service is not there', async () => {
    const { code, err } = await runCommand(['list', '--server', '127.0.0.1:1', '--patience', '0'], {
      environment: { PILOTAGE_TOKEN_FILE: import.meta.filename },
    })
    expect(code).toBe(1)
    expect(err).toContain('does not contain a token')
    expect(err).toContain('next: get a token')
  })
})

describe('--quiet', () => {
  let fake: FakeService
  let dir: string
  beforeEach(async () => {
    fake = await startFakeService()
    dir = mkdtempSync(join(tmpdir(), 'pilotage-output-'))
    writeFileSync(join(dir, 'token'), 'vo1/ada\n')
    writeFileSync(join(dir, 'jobs.yaml'), '- executable: a\n- executable: b\n')
  })
  afterEach(async () => {
    await fake.stop()
    rmSync(dir, { recursive: true, force: true })
  })
  const run = (server: string, ...argv: readonly string[]) =>
    runCommand(argv, { environment: { PILOTAGE_SERVER: server, PILOTAGE_TOKEN_FILE: join(dir, 'token') }, workDir: dir })

  it('prints the numbers of submitted jobs alone, a stream of them too', async () => {
    expect((await run(fake.server, 'submit', '--quiet', join(dir, 'jobs.yaml'))).out).toBe('1\n2\n')
    writeFileSync(join(dir, 'jobs.jsonl'), '{"executable": "c"}\n{"executable": "d"}\n')
    expect((await run(fake.server, 'submit', '-q', '--key', 'k', '--stream', join(dir, 'jobs.jsonl'))).out).toBe('3\n4\n')
  })

  it('prints the numbers of listed jobs alone', async () => {
    await run(fake.server, 'submit', join(dir, 'jobs.yaml'))
    expect((await run(fake.server, 'list', '-q')).out).toBe('2\n1\n')
    expect((await run(fake.server, 'status', '1', '2', '--quiet')).out).toBe('1\n2\n')
  })

  it('prints the numbers of changed jobs alone', async () => {
    await run(fake.server, 'submit', join(dir, 'jobs.yaml'))
    expect((await run(fake.server, 'hold', '1', '2', '-q')).out).toMatch(/^(?:[12]\n)*$/)
    const service = await startHostileService('text')
    try {
      for (const verb of [['kill'], ['prioritise', '--priority', '3']])
        expect((await run(service.server, ...verb, '--owner', 'ada', '--quiet')).out).toBe('1\n')
    } finally {
      await service.stop()
    }
  })

  it('prints the names of VMs, task queues, clouds and images alone', async () => {
    const service = await startHostileService('name-1')
    try {
      for (const command of [
        ['cluster', 'vms'],
        ['cluster', 'queues'],
        ['cluster', 'clouds'],
        ['image', 'list'],
      ])
        expect([command, (await run(service.server, ...command, '-q')).out]).toEqual([command, 'name-1\n'])
    } finally {
      await service.stop()
    }
  })
})
