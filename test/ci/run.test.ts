/**
 * The gates' own script: which steps `.ci/run` has, and how `.ci/steps` runs a schedule. Schedules of fake commands, in a
 * directory of their own, show what a failed step, a process that is left, a lane that breaks off and a choice of steps lead
 * to.
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { scenarios } from '../e2e/scenarios.ts'

const root = join(import.meta.dirname, '../..')

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-schedule-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

type Ended = { readonly code: number | null; readonly lines: readonly string[]; readonly errors: string }

function bash(args: readonly string[]): Ended {
  const { status, stdout, stderr } = spawnSync('env', [`TMPDIR=${dir}`, 'bash', ...args], { encoding: 'utf8' })
  return { code: status, lines: stdout.trimEnd().split('\n'), errors: stderr }
}

/** A schedule of fake commands. Nothing of it may stay in the directory. */
function play(schedule: string, ...args: readonly string[]): Ended {
  const path = join(dir, 'schedule')
  writeFileSync(path, `set -u\nsettle_s=1\n. ${root}/.ci/steps\n${schedule}\nmain "$@"\n`)
  const ended = bash([path, ...args])
  expect(readdirSync(dir).filter((name) => name.startsWith('pilotage-ci-'))).toEqual([])
  return ended
}

/** Of the table: step, lane, result. */
function rowsOf({ lines }: Ended): readonly string[] {
  const begin = lines.findIndex((line) => line.startsWith('step '))
  const end = lines.findIndex((line) => line.startsWith('total '))
  return lines.slice(begin + 1, end).map((line) => line.replace(/ +\d+ +\d+ +/, ' ').replace(/ +/g, ' '))
}

describe('.ci/run', () => {
  it('has a step for every scenario', () => {
    const { code, lines } = bash([join(root, '.ci/run'), '--list'])
    expect(code).toBe(0)
    expect(lines).toEqual(expect.arrayContaining(scenarios.map(({ name }) => `e2e ${name}`)))
    expect(new Set(lines).size).toBe(lines.length)
  })

  it('chooses the tests on real servers so that each is in a step', () => {
    const text = readFileSync(join(root, '.ci/run'), 'utf8')
    const calls = [...text.matchAll(/test:peers -- (.*)/g)].map(([, chosen]) => chosen)
    const without = calls.flatMap((chosen) => [...(chosen ?? '').matchAll(/--without (\S+)/g)].map(([, peer]) => peer))
    expect(without.length).toBeGreaterThan(0)
    expect(calls.sort()).toEqual([
      ...without.map((peer) => `--needs ${peer}`),
      without.map((peer) => `--without ${peer}`).join(' '),
    ])
  })

  it('gives the mutants of a change five minutes, and their step more', () => {
    expect(bash([join(root, '.ci/run'), '--list']).lines).toContain('mutants')
    const text = readFileSync(join(root, '.ci/run'), 'utf8')
    const [, limit, minutes] = /step mutants (\d+) .* --changed --minutes (\d+)/.exec(text) ?? []
    expect(Number(minutes)).toBe(5)
    expect(Number(limit)).toBeGreaterThan(60 * Number(minutes))
  })

  it('refuses a step that it does not have, and wrong usage', () => {
    const absent = bash([join(root, '.ci/run'), '--only', 'absent'])
    expect(absent).toMatchObject({ code: 2, errors: 'no step absent; .ci/run --list names all steps\n' })
    for (const args of [['--only'], ['--other']]) {
      expect(bash([join(root, '.ci/run'), ...args])).toMatchObject({ code: 2, errors: expect.stringContaining('usage:') })
    }
  })
})

describe('a schedule', () => {
  it('runs its steps, says what each says of itself, and ends with the table', () => {
    const ended = play(`phases=(first last)
      lane_first() { step one 10 '' echo 'one: things=1 result=ok'; }
      lane_last() { step 'e2e two' 10 '' true; }`)
    expect(ended.code).toBe(0)
    expect(ended.lines[0]).toMatch(/^ok {6}one +\d+ s {2}one: things=1 result=ok$/)
    expect(rowsOf(ended)).toEqual(['one first ok', 'e2e two last ok'])
    expect(ended.lines.at(-1)).toBe('2 passed, 0 failed')
  })

  it('goes on after a step that failed, shows what it wrote, and ends with 1', () => {
    const ended = play(`phases=(only)
      lane_only() { step bad 10 '' sh -c 'echo Error: planted; exit 3'; step good 10 '' true; }`)
    expect(ended.code).toBe(1)
    expect(ended.lines[0]).toMatch(/^FAILED {2}bad +\d+ s {2}exit code 3$/)
    expect(ended.lines).toContain('  | Error: planted')
    expect(rowsOf(ended)).toEqual(['bad only FAILED', 'good only ok'])
    expect(ended.lines.at(-1)).toBe('1 passed, 1 failed')
  })

  it('ends a step at its limit', () => {
    const ended = play(`phases=(only)
      lane_only() { step slow 1 '' sleep 60; }`)
    expect(ended.code).toBe(1)
    expect(ended.lines[0]).toMatch(/exit code 124: no end within 1 s$/)
  })

  it('runs a lane with its niceness, and only that lane', () => {
    const ended = play(`phases=('gentle plain')
      niceness=([gentle]=3)
      lane_gentle() { step gentle 10 '' bash -c 'echo "gentle: niceness=$(nice)"'; }
      lane_plain() { step plain 10 '' bash -c 'echo "plain: niceness=$(nice)"'; }`)
    const own = Number(bash(['-c', 'nice']).lines[0])
    const said = ended.lines.flatMap((line) => /(\w+): niceness=(\d+)/.exec(line)?.slice(1, 3).join(' ') ?? [])
    expect(said.toSorted()).toEqual([`gentle ${Math.min(19, own + 3)}`, `plain ${own}`])
  })

  it('names a process that a step leaves, ends it, and fails that step alone', () => {
    const left = `sh -c 'cd "$TMPDIR" && sleep 61.5 >/dev/null 2>&1 &'`
    const ended = play(`phases=('first second')
      lane_first() { step leaves 10 '' ${left}; step after 10 '' true; }
      lane_second() { step beside 10 '' sleep 2; }`)
    expect(ended.code).toBe(1)
    expect(ended.lines.some((line) => /left running: \d+ sleep 61.5/.test(line))).toBe(true)
    expect(rowsOf(ended).toSorted()).toEqual(['after first ok', 'beside second ok', 'leaves first FAILED'])
  })

  it('runs the lanes of a phase beside each other, and a phase after the one before', () => {
    const meet = (own: string, other: string): string =>
      `sh -c 'touch "$TMPDIR/../../${own}"; until [ -e "$TMPDIR/../../${other}" ]; do sleep 0.05; done'`
    const ended = play(`phases=('left right' after)
      lane_left() { step one 10 '' ${meet('one', 'two')}; }
      lane_right() { step two 10 '' ${meet('two', 'one')}; }
      lane_after() { step three 10 '' sh -c 'ls "$TMPDIR/../.."'; }`)
    expect(ended).toMatchObject({ code: 0 })
    expect(rowsOf(ended).at(-1)).toBe('three after ok')
  })

  it('counts a lane that broke off as failed', () => {
    const ended = play(`phases=('broken whole')
      lane_broken() { step one 10 '' true; [ -n "$planning" ] || exit 0; }
      lane_whole() { step two 10 '' true; }`)
    expect(ended).toMatchObject({ code: 1 })
    expect(ended.lines).toContain('FAILED  the lane broken broke off')
    expect(ended.lines.at(-1)).toBe('2 passed, 1 failed')
  })

  it('runs steps by name, with what they need and with nothing else', () => {
    const schedule = `phases=(install rest)
      lane_install() { step npm-ci 10 '' true; step install 10 npm-ci true; }
      lane_rest() { step other 10 npm-ci false; step 'e2e kill' 10 install true; step open 10 close true; step close 10 '' true; }`
    expect(rowsOf(play(schedule, '--only', 'kill'))).toEqual(['npm-ci install ok', 'install install ok', 'e2e kill rest ok'])
    expect(rowsOf(play(schedule, '--only', 'open'))).toEqual(['open rest ok', 'close rest ok'])
    const met = `${schedule}\nis_met() { [ "$1" = npm-ci ]; }`
    expect(rowsOf(play(met, '--only', 'e2e kill'))).toEqual(['install install ok', 'e2e kill rest ok'])
    expect(play(schedule, '--list').lines).toEqual(['npm-ci', 'install', 'other', 'e2e kill', 'open', 'close'])
  })

  it('names a step that it skips, and counts it neither way', () => {
    const ended = play(`phases=(only)
      lane_only() { step one 10 '' true; skip trace 'it is not there'; }`)
    expect(ended.lines).toContain('skipped trace: it is not there')
    expect(ended.lines.at(-1)).toBe('1 passed, 0 failed')
  })
})
