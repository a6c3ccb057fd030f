/** The options, the choice of files by changes, the score and its error: what decides whether the gate is passed. */

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../core/kernel/clock.ts'
import { seededRandom } from '../../core/kernel/random.ts'
import { changedFiles, shuffled } from './choose.ts'
import type { State, Verdict } from './judge.ts'
import { type Mutant, mutantsOf } from './mutants.ts'
import { readOptions } from './options.ts'
import { isBelow, isChangeBelow, type RoomResult, roomLine, scoreOf, survivors } from './report.ts'
import { makeSandbox, whyUnconfined } from './sandbox.ts'

const root = join(import.meta.dirname, '../..')
let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-gate-'))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('the options', () => {
  it('are read', () => {
    expect(readOptions(['--room', 'core', '--sample', '20', '--seed', '3'])).toMatchObject({
      rooms: ['core'],
      sample: 20,
      seed: 3,
    })
    expect(readOptions(['--changed'])).toMatchObject({ changed: '' })
    expect(readOptions(['--changed', 'HEAD~2', '--minutes', '5'])).toMatchObject({ changed: 'HEAD~2', minutes: 5 })
    expect(readOptions(['--files', 'a.ts', 'b.ts'])).toMatchObject({ files: ['a.ts', 'b.ts'], tests: [] })
    expect(readOptions(['--files', 'a.ts', '--tests', 'x', '--tests', 'y'])).toMatchObject({ tests: ['x', 'y'] })
  })

  it.each([
    [['--room', 'cellar'], /no room cellar; accepted: core, /],
    [['--sample', '0'], /--sample 0; accepted: 1 to/],
    [['--minutes', 'x'], /--minutes x/],
    [['--files'], /names no file/],
    [['--files', '--changed', 'a'], /exclude each other/],
    [['stray'], /unexpected: stray/],
    [['--other'], /--other/],
  ])('are refused: %s', (args, why) => {
    expect(readOptions(args)).toMatch(why)
  })
})

describe('the files that changed', () => {
  const git = (...args: readonly string[]): string =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: dir, encoding: 'utf8' }).trim()
  const commit = (name: string): void => {
    writeFileSync(join(dir, name), name)
    git('add', '.')
    git('commit', '-qm', name)
  }
  const begin = (): void => {
    git('init', '-qb', 'main')
    commit('first')
  }

  it('are none without a repository, and without a second commit', () => {
    expect(changedFiles(dir)).toEqual({ why: 'no Git repository with a commit' })
    begin()
    expect(changedFiles(dir)).toEqual({ why: 'the history has one commit' })
  })

  it('are those of the last commit on main, with what is not committed', () => {
    begin()
    commit('second')
    writeFileSync(join(dir, 'third'), '')
    expect(changedFiles(dir)).toMatchObject({ files: ['second', 'third'] })
  })

  it('are those of all commits of a branch', () => {
    begin()
    git('checkout', '-qb', 'other')
    for (const name of ['second', 'third']) commit(name)
    expect(changedFiles(dir)).toMatchObject({ files: ['second', 'third'] })
    expect(changedFiles(dir, 'HEAD~1')).toMatchObject({ files: ['third'] })
    expect(() => changedFiles(dir, 'absent')).toThrow('absent is no commit here')
  })

  it('are none in a clone of one commit', () => {
    begin()
    commit('second')
    const clone = join(dir, 'clone')
    execFileSync('git', ['clone', '-q', '--depth', '1', `file://${dir}`, clone], { stdio: 'ignore' })
    expect(changedFiles(clone)).toEqual({ why: 'the history has one commit' })
  })
})

describe('a sample', () => {
  it('repeats with its seed and takes each once', () => {
    const all = Array.from({ length: 50 }, (_, index) => index)
    expect(shuffled(all, 1)).toEqual(shuffled(all, 1))
    expect(shuffled(all, 1)).not.toEqual(shuffled(all, 2))
    expect(shuffled(all, 1).toSorted((a, b) => a - b)).toEqual(all)
  })
})

describe('a score', () => {
  const [mutant] = mutantsOf('a.ts', 'const b = a < 2') as readonly [Mutant]
  const result = (states: Partial<Record<State, number>>, all: number): RoomResult => ({
    room: 'core',
    files: 1,
    all,
    equivalent: 0,
    verdicts: Object.entries(states).flatMap(([state, count]) =>
      Array.from({ length: count }, (): Verdict => ({ mutant, state: state as State, by: '' })),
    ),
    seconds: 2,
  })

  it('counts what a test noticed, against all that was tried', () => {
    const room = result({ killed: 7, timeout: 1, survived: 1, uncovered: 1 }, 10)
    expect(roomLine(room)).toBe(
      'mutants: room=core files=1 mutants=10 tried=10 killed=7 timeout=1 survived=1 uncovered=1 equivalent=0 score=80.0 error=0.0 seconds=2',
    )
    expect(survivors(room).length).toBe(2)
  })

  it('has no error if all were tried, and a smaller one the more were', () => {
    expect(scoreOf(9, 10, 10).error).toBe(0)
    expect(scoreOf(90, 100, 10_000).error).toBeGreaterThan(4)
    expect(scoreOf(90, 100, 10_000).error).toBeLessThan(7)
    expect(scoreOf(900, 1000, 10_000).error).toBeLessThan(scoreOf(90, 100, 10_000).error)
  })

  it('is below only if the error does not explain it', () => {
    expect(isBelow(result({ killed: 89, survived: 11 }, 100), 90)).toBe(true)
    expect(isBelow(result({ killed: 90, survived: 10 }, 100), 90)).toBe(false)
    expect(isBelow(result({ killed: 89, survived: 11 }, 10_000), 90)).toBe(false)
    expect(isBelow(result({ killed: 70, survived: 30 }, 10_000), 90)).toBe(true)
    expect(isBelow(result({}, 100), 90)).toBe(false)
  })
})

describe('the gate of a change', () => {
  const room = (files: number, tried: number, found: number): RoomResult => {
    const [mutant] = mutantsOf('a.ts', 'const b = a < 2') as readonly [Mutant]
    const verdicts = Array.from({ length: tried }, (_, at): Verdict => {
      return { mutant, state: at < found ? 'killed' : 'survived', by: '' }
    })
    return { room: 'core', files, all: tried, equivalent: 0, verdicts, seconds: 1 }
  }

  it.each([
    ['one survivor that is all there is', room(1, 1, 0), false],
    ['a file of which a quarter is noticed, in a room of two thirds', room(1, 60, 15), false],
    ['a score just below the floor in many files', room(20, 200, 120), false],
    ['a third in many files', room(20, 200, 66), true],
    ['nothing in six files', room(6, 60, 0), true],
    ['nothing tried', room(3, 0, 0), false],
  ])('%s', (_, result, isFailed) => {
    expect(isChangeBelow(result, 65)).toBe(isFailed)
  })

  it('does not fail by which files a change touched, and how many mutants there was time for', () => {
    const random = seededRandom(4)
    let failed = 0
    for (let run = 0; run < 20_000; run += 1) {
      const files = 1 + Math.floor(random.next() * 12)
      const perFile = 1 + Math.floor(random.next() * 40)
      let found = 0
      for (let file = 0; file < files; file += 1) {
        // The files of a room with 65 % have scores from 30 % to 100 %.
        const share = 0.3 + 0.7 * random.next()
        for (let at = 0; at < perFile; at += 1) if (random.next() < share) found += 1
      }
      if (isChangeBelow(room(files, files * perFile, found), 65)) failed += 1
    }
    expect(failed).toBeLessThanOrEqual(20)
  })
})

describe('a sandbox', () => {
  it('lets a process end and change nothing outside', async ({ skip }) => {
    const why = whyUnconfined(root, join(dir, 'probe'))
    if (why !== '') skip(`this machine cannot confine mutants: ${why}`)
    const tree = join(dir, 'tree')
    for (const name of ['tree', 'box', 'tree/node_modules']) mkdirSync(join(dir, name))
    writeFileSync(join(tree, '.gitignore'), 'node_modules/\n')
    writeFileSync(join(tree, 'here'), '')
    const outside = spawn('sleep', ['60'])
    const script = `test -e /mnt/here && touch /mnt/mine && touch "${root}/mine"; kill ${outside.pid}; kill -9 -1`
    const [program = '', ...args] = makeSandbox(tree, join(dir, 'box'), true).enter(['sh', '-c', script])
    const { stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: 20_000 })
    expect(stderr).toMatch(/cannot touch/)
    expect(stderr).toMatch(/No such process/)
    expect(existsSync(join(dir, 'box/mine'))).toBe(true)
    expect(existsSync(join(root, 'mine'))).toBe(false)
    expect(outside.exitCode ?? outside.signalCode).toBeNull()
    outside.kill()
    await once(outside, 'exit')
  })
})

it('a run that is ended removes its directory and ends its processes', { timeout: 60_000 }, async () => {
  const options = ['--files', 'core/kernel/token-bucket.ts', '--tests', 'test/unit/core/token', '--hosts', '1']
  const { after } = systemClock()
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', TMPDIR: dir }
  const run = spawn(process.execPath, [join(root, 'test/mutants/main.ts'), ...options], { env, stdio: 'ignore' })
  const ended = once(run, 'exit')
  const made = (): readonly string[] => readdirSync(dir).filter((name) => name.startsWith('pilotage-mutants-'))
  const isCopied = (): boolean => made().some((name) => existsSync(join(dir, name, '0/vitest.config.ts')))
  while (!isCopied() && run.exitCode === null) await new Promise<void>((resolve) => void after(20, resolve))
  run.kill('SIGTERM')
  expect(await ended).toEqual([143, null])
  expect(made()).toEqual([])
})
