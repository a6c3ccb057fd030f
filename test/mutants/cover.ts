/**
 * What each test file runs, and how long it takes: the first half of the work, which the second half needs.
 *
 * Kept in node_modules/.cache, per test file, until a source, a file that tests share or the test file itself changes. A
 * test file that fails without any mutant proves nothing: it is tried again, and left out if it fails again.
 */

import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../core/kernel/clock.ts'
import type { Host } from './hosts.ts'
import { type Covered, instrument, notes, type Point } from './points.ts'

export type TestFile = {
  readonly path: string
  readonly ms: number
  readonly tests: number
  /** Whether all of it passed. */
  readonly isSound: boolean
  readonly isUsable: boolean
  /** If some of its tests fail without a mutant: the others. */
  readonly only?: readonly string[]
  /** Why it failed without a mutant. */
  readonly why: string
  readonly covered: Covered
}

export type Coverage = {
  /** Of each source file, in the order of their numbers. */
  readonly points: readonly (readonly Point[])[]
  readonly tests: readonly TestFile[]
  /** Test files for which there was no time. */
  readonly left: readonly string[]
}

/** Of a test file below this all tests are run: choosing saves nothing. */
export const quickMs = 1000
const maxTestMs = 240_000
/** They judge the text of the sources or nothing of ours, or need servers. */
const noTests = [
  'test/structure',
  'test/docs.test',
  'test/ci/',
  'test/supply/',
  'test/mutants/',
  'test/compose',
  'test/peers/',
  'test/hostile/',
]

export function testFiles(root: string): readonly string[] {
  const all = globSync('test/**/*.test.ts', { cwd: root }).toSorted()
  return all.filter((path) => !noTests.some((prefix) => path.startsWith(prefix)))
}

export async function cover(
  root: string,
  hosts: readonly Host[],
  sources: readonly string[],
  tests: readonly string[],
  clock: Clock,
  deadlineMs: number,
): Promise<Coverage> {
  const text = (path: string): string => readFileSync(join(root, path), 'utf8')
  const cache = join(root, 'node_modules/.cache/mutants')
  mkdirSync(cache, { recursive: true })
  const key = sharedKey(root, text)
  const cached = (path: string): string => join(cache, `${hash(`${key} ${path} ${text(path)}`)}.json`)
  const points = sources.map((path, index) => instrument(path, text(path), index, '').points)
  const waiting = tests.filter((path) => !existsSync(cached(path)))
  const left: string[] = []
  if (waiting.length > 0) {
    for (const host of hosts) {
      const sink = join(host.sandbox.inside, 'sink')
      for (const [index, path] of sources.entries()) host.write(path, instrument(path, text(path), index, sink).text)
    }
    await Promise.all(hosts.map((host) => work(host)))
    for (const host of hosts) {
      await host.close()
      host.remove('sink')
      for (const path of sources) host.write(path, text(path))
    }
  }

  async function work(host: Host): Promise<void> {
    for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
      if (clock.monotonicMs() > deadlineMs) {
        left.push(path)
        continue
      }
      const first = await coverOne(host, path)
      const result = first.isSound ? first : await coverOne(host, path)
      writeFileSync(cached(path), JSON.stringify({ ...result, covered: [...result.covered] }))
    }
  }

  const known = tests
    .filter((path) => !left.includes(path))
    .map((path) => {
      const read = JSON.parse(readFileSync(cached(path), 'utf8')) as TestFile & {
        readonly covered: readonly [string, string[]][]
      }
      return { ...read, covered: new Map(read.covered) }
    })
  return { points, tests: known, left }
}

async function coverOne(host: Host, path: string): Promise<TestFile> {
  host.write('sink', '')
  const answer = await host.run({ test: path, isQuick: false }, maxTestMs)
  if (typeof answer === 'string') {
    return { path, ms: maxTestMs, tests: 0, isSound: false, isUsable: false, why: answer, covered: new Map() }
  }
  const { isOk, passed, failed, tests, why } = answer
  const covered = notes(readFileSync(join(host.sandbox.dir, 'sink'), 'utf8').split('\n').filter(Boolean))
  const isQuick = answer.ms < quickMs
  const kept = isQuick ? new Map([...covered.keys()].map((point) => [point, 'all' as const])) : covered
  const isUsable = isOk || (passed.length > 0 && failed.length > 0)
  const only = isOk ? {} : { only: passed }
  return { path, ms: Math.round(answer.ms), tests, isSound: isOk, isUsable, ...only, why, covered: kept }
}

const hash = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 24)

/** Of everything that more than one test file may run. */
function sharedKey(root: string, text: (path: string) => string): string {
  const folders = '{core,services,agents,contextualization,proto,client,cli,sim,bin,test}'
  const files = globSync(`${folders}/**/*.{ts,mjs,json}`, { cwd: root }).filter(isShared)
  const all = [...files.toSorted(), 'package-lock.json', 'vitest.config.ts']
  return hash(all.map((path) => `${path} ${hash(text(path))}`).join('\n'))
}

function isShared(path: string): boolean {
  if (path.startsWith('test/mutants/')) return /\/(?:points|setup)\.ts$/.test(path)
  return !path.endsWith('.test.ts')
}
