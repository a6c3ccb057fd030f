/**
 * `npm run mutants [-- OPTION...]`: changes the code in one place at a time, and counts how many of the changes a test
 * notices.
 *
 *   --room NAME        only this room; can be repeated (see rooms.ts)
 *   --files PATH...    only these files
 *   --changed [SINCE]  only the files that differ from a commit; by default from where this branch left main,
 *                      and on main from the commit before the last
 *   --tests PREFIX     only test files whose path begins so; can be repeated. What they leave may be killed by others
 *   --sample N         N mutants of each room, chosen by --seed (default 1)
 *   --minutes N        ends after about N minutes; what was tried until then is a random sample of all
 *   --hosts N          tests that run at once (default 2)
 *   --out DIR          writes what survived in each room to DIR/ROOM.txt
 *   --unconfined       tries mutants that act on processes and files although this machine cannot confine them
 *
 * Prints one line per room and each survivor. Exit codes: 0 every room has its score, 1 a room is below, an entry of
 * equivalents.json is wrong, or nothing could be tried, 2 wrong usage. The target is 90 %; with --changed it is the room's
 * floor.
 */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../core/kernel/clock.ts'
import { changedFiles, shuffled } from './choose.ts'
import { cover, testFiles } from './cover.ts'
import { entryFaults, isMatch, readEquivalents } from './equivalents.ts'
import { type Host, openHost } from './hosts.ts'
import { openJudge, type Verdict } from './judge.ts'
import { type Mutant, mutantsOf, shown } from './mutants.ts'
import { type Options, readOptions } from './options.ts'
import { isBelow, isChangeBelow, type RoomResult, resultScore, roomLine, survivors } from './report.ts'
import { nearestTests } from './reach.ts'
import { type Room, roomOf, rooms, sourceFiles, target } from './rooms.ts'
import { makeSandbox, whyUnconfined } from './sandbox.ts'

type Chosen = { readonly room: Room; readonly files: readonly string[]; readonly all: number; readonly equivalent: number }
type Task = { readonly room: Room; readonly mutant: Mutant }

const root = join(import.meta.dirname, '../..')
const clock = systemClock()
const beginMs = clock.monotonicMs()
const seconds = (): number => (clock.monotonicMs() - beginMs) / 1000
/** Of a bounded run: what is not known by then of which test runs what is not used. */
const coverShare = 0.5
/** Of a bounded run: for the mutants that are being tried when the time is over, and for the end. */
const endMs = 20_000

const texts = new Map<string, string>()
function textOf(file: string): string {
  const text = texts.get(file) ?? readFileSync(join(root, file), 'utf8')
  texts.set(file, text)
  return text
}

async function run(options: Options): Promise<number> {
  const sources = sourceFiles(root)
  const entries = readEquivalents()
  const known = new Map<string, readonly Mutant[]>()
  const mutantsIn = (file: string): readonly Mutant[] => {
    const mutants = known.get(file) ?? (sources.includes(file) ? mutantsOf(file, textOf(file)) : [])
    known.set(file, mutants)
    return mutants
  }
  const faults = entryFaults(entries, mutantsIn)
  for (const fault of faults) console.log(`error: ${fault}`)
  const wanted = wantedFiles(options, sources)
  const dir = mkdtempSync(join(tmpdir(), 'pilotage-mutants-'))
  cleanOnSignal(dir)
  try {
    const why = options.isUnconfined ? '' : whyUnconfined(root, join(dir, 'probe'))
    if (why !== '') console.log(`mutants: only what is harmless is tried: this machine cannot confine mutants (${why})`)
    const isTried = (file: string): boolean => why === '' || roomOf(file)?.isHarmless === true
    const { chosen, tasks } = chooseMutants(options, wanted.filter(isTried), mutantsIn, (mutant) =>
      entries.some((entry) => isMatch(entry, mutant)),
    )
    const isConfined = why === '' && !options.isUnconfined
    const results = await tried(options, dir, isConfined, chosen, tasks)
    return reported(options, results, faults.length)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const openHosts = new Set<Host>()

/** A run that is ended from outside leaves no process and no directory. */
function cleanOnSignal(dir: string): void {
  const end = (code: number): void => {
    const remove = (): never => {
      rmSync(dir, { recursive: true, force: true, maxRetries: 3 })
      process.exit(code)
    }
    Promise.all([...openHosts].map((host) => host.close())).then(remove, remove)
  }
  process.once('SIGINT', () => end(130))
  process.once('SIGTERM', () => end(143))
}

function wantedFiles(options: Options, sources: readonly string[]): readonly string[] {
  const unknown = options.files.filter((file) => !sources.includes(file))
  if (unknown.length > 0) throw new Error(`not a source file of a room: ${unknown.join(', ')}`)
  if (options.files.length > 0) return options.files
  if (options.changed === undefined) return sources.filter((file) => isWanted(options, file))
  const changed = changedFiles(root, options.changed)
  if ('why' in changed) {
    console.log(`mutants: nothing to compare with: ${changed.why}`)
    return []
  }
  const files = changed.files.filter((file) => sources.includes(file) && isWanted(options, file))
  console.log(`mutants: ${files.length} source files differ from ${changed.since}`)
  return files
}

function isChosen({ tests }: Options, path: string): boolean {
  return tests.length === 0 || tests.some((prefix) => path.startsWith(prefix))
}

function isWanted({ rooms: names }: Options, file: string): boolean {
  const room = roomOf(file)
  return room !== undefined && (names.length === 0 || names.includes(room.name))
}

/** By rooms, or in one random order where the time is bounded: then what is tried is a sample of all. */
function chooseMutants(
  { sample, seed, minutes }: Options,
  files: readonly string[],
  mutantsIn: (file: string) => readonly Mutant[],
  isEquivalent: (mutant: Mutant) => boolean,
): { readonly chosen: readonly Chosen[]; readonly tasks: readonly Task[] } {
  const chosen: Chosen[] = []
  const tasks: Task[] = []
  for (const room of rooms) {
    const own = files.filter((file) => roomOf(file) === room)
    const found = own.flatMap(mutantsIn)
    const all = found.filter((mutant) => !isEquivalent(mutant))
    if (own.length === 0) continue
    chosen.push({ room, files: own, all: all.length, equivalent: found.length - all.length })
    tasks.push(
      ...shuffled(all, seed)
        .slice(0, sample)
        .map((mutant) => ({ room, mutant })),
    )
  }
  return { chosen, tasks: minutes === undefined ? tasks : shuffled(tasks, seed) }
}

async function tried(
  options: Options,
  dir: string,
  isConfined: boolean,
  chosen: readonly Chosen[],
  tasks: readonly Task[],
): Promise<readonly RoomResult[]> {
  const { minutes } = options
  if (tasks.length === 0) return []
  const maxMs = minutes === undefined ? Number.POSITIVE_INFINITY : minutes * 60_000
  const sources = sourceFiles(root)
  const files = [...new Set(tasks.map(({ mutant }) => mutant.file))]
  const all = testFiles(root).filter((path) => isChosen(options, path))
  const tests = minutes === undefined ? all : nearestTests(root, all, files)
  const hosts = Array.from({ length: options.hosts }, (_, index) =>
    openHost(makeSandbox(root, join(dir, String(index)), isConfined), clock, process.env),
  )
  for (const host of hosts) openHosts.add(host)
  try {
    const coverage = await cover(root, hosts, sources, tests, clock, beginMs + maxMs * coverShare)
    const unusable = coverage.tests.filter(({ isUsable }) => !isUsable)
    for (const { path, why, only } of coverage.tests.filter(({ isSound }) => !isSound)) {
      const rest = only ? `but for ${only.length} of its tests, ` : ''
      console.log(`mutants: not used, ${rest}it fails without a mutant: ${path}: ${why}`)
    }
    if (coverage.left.length > 0) console.log(`mutants: not used for want of time: ${coverage.left.length} test files`)
    const used = `tests=${coverage.tests.length - unusable.length} seconds=${Math.round(seconds())}`
    console.log(`mutants: it is known which tests run what: ${used}`)
    const judge = openJudge(sources, coverage, textOf)
    const verdicts = await judgeAll(hosts, tasks, judge.judge, beginMs + maxMs - endMs)
    return chosen.map(({ room, files, all, equivalent }) => {
      const own = verdicts.filter(({ task }) => task.room === room)
      const spent = own.reduce((sum, { ms }) => sum + ms, 0) / 1000
      return {
        room: room.name,
        files: files.length,
        all,
        equivalent,
        verdicts: own.map(({ verdict }) => verdict),
        seconds: spent,
      }
    })
  } finally {
    await Promise.all(hosts.map((host) => host.close()))
  }
}

type Judged = { readonly task: Task; readonly verdict: Verdict; readonly ms: number }

async function judgeAll(
  hosts: readonly Host[],
  tasks: readonly Task[],
  judge: (host: Host, mutant: Mutant) => Promise<Verdict>,
  deadlineMs: number,
): Promise<readonly Judged[]> {
  const waiting = [...tasks]
  const judged: Judged[] = []
  const work = async (host: Host): Promise<void> => {
    for (let task = waiting.shift(); task && clock.monotonicMs() < deadlineMs; task = waiting.shift()) {
      const fromMs = clock.monotonicMs()
      const verdict = await judge(host, task.mutant)
      judged.push({ task, verdict, ms: clock.monotonicMs() - fromMs })
      const { state, mutant } = verdict
      if (state === 'survived' || state === 'uncovered') console.log(`${state.padEnd(9)} ${shown(mutant)}`)
    }
  }
  await Promise.all(hosts.map(work))
  return judged
}

function reported(options: Options, results: readonly RoomResult[], faults: number): number {
  const isWorse = options.changed === undefined ? isBelow : isChangeBelow
  const below = results.filter((result) => isWorse(result, minOf(options, result)))
  for (const result of results) {
    console.log(roomLine(result))
    if (options.out !== undefined) writeSurvivors(options.out, result)
  }
  for (const result of below) {
    console.log(
      `error: room ${result.room} is below ${minOf(options, result)} %: ${resultScore(result).percent.toFixed(1)} %`,
    )
  }
  const tried = results.reduce((sum, { verdicts }) => sum + verdicts.length, 0)
  const all = results.reduce((sum, result) => sum + result.all, 0)
  const isNothing = all > 0 && tried === 0
  if (isNothing) console.log('mutants: nothing was tried in the time given')
  // A loaded machine is no fault of a change.
  const isFailed = below.length + faults > 0 || (isNothing && options.changed === undefined)
  const figures = [
    `rooms=${results.length}`,
    `below=${below.length}`,
    `mutants=${all}`,
    `tried=${tried}`,
    `survived=${results.reduce((sum, result) => sum + survivors(result).length, 0)}`,
    `seconds=${Math.round(seconds())}`,
    `result=${isFailed ? 'FAILED' : 'ok'}`,
  ]
  console.log(`mutants: ${figures.join(' ')}`)
  return isFailed ? 1 : 0
}

function minOf({ changed }: Options, { room }: RoomResult): number {
  const floor = rooms.find(({ name }) => name === room)?.floor ?? target
  return changed === undefined ? target : Math.min(floor, target)
}

function writeSurvivors(out: string, result: RoomResult): void {
  const lines = survivors(result).map(({ state, mutant }) => `${state.padEnd(9)} ${shown(mutant)}\n          ${mutant.code}`)
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, `${result.room}.txt`), `${[roomLine(result), ...lines].join('\n')}\n`)
}

const options = readOptions(process.argv.slice(2))
if (typeof options === 'string') {
  console.error(`error: ${options}`)
  process.exitCode = 2
} else {
  process.exitCode = await run(options).catch((thrown: unknown) => {
    console.log(`error: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
    console.log('mutants: result=FAILED')
    return 1
  })
}
