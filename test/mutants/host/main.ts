/**
 * The program inside a sandbox: one vitest that stays, and runs one test file per request.
 *
 * Each test file gets a process of its own, so it meets the sources as they lie on disk at that moment. Before each run all
 * that an earlier one has left, processes and files, is removed; that is done only where this program is confined.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createVitest, type TestModule } from 'vitest/node'
import { systemClock } from '../../../core/kernel/clock.ts'
import config from '../../../vitest.config.ts'
import type { Answer, HostRequest } from '../hosts.ts'

const root = join(import.meta.dirname, '../../..')
const clock = systemClock()
const isConfined = root === '/mnt'
/** For vitest's own files, which stay while this program runs. */
const kept = mkdtempSync(join(tmpdir(), 'host-'))
const temporary = process.env.TMPDIR
process.env.TMPDIR = kept
const vitest = await createVitest(
  'test',
  {
    ...config.test,
    // It was read above: vitest would write a copy of it beside packages that are read-only here.
    config: false,
    root,
    watch: false,
    reporters: [{}],
    silent: true,
    maxWorkers: 1,
    setupFiles: [join(import.meta.dirname, '../setup.ts')],
    // What a mutant leaves open is ended with all other processes.
    teardownTimeout: 1000,
  },
  { cacheDir: join(kept, 'cache') },
)
process.env.TMPDIR = temporary
const project = vitest.getRootProject()

async function run({ test, ids, changed, isQuick }: HostRequest): Promise<Answer> {
  if (isConfined) clear()
  for (const file of changed) vitest.invalidateFile(join(root, file))
  // Failures of earlier runs would count for `bail`.
  vitest.state.filesMap.clear()
  vitest.state.idMap.clear()
  vitest.config.bail = isQuick ? 1 : 0
  project.config.bail = isQuick ? 1 : 0
  const path = join(root, test)
  const begin = clock.monotonicMs()
  const specification = project.createSpecification(path, ids ? { testIds: [...ids] } : undefined)
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications([specification], false)
  const module = testModules.find(({ moduleId }) => moduleId === path)
  const states = module ? testStates(module) : []
  return {
    isOk: module?.state() !== 'failed' && module !== undefined && unhandledErrors.length === 0,
    failed: states.filter(({ state }) => state === 'failed').map(({ id }) => id),
    passed: states.filter(({ state }) => state === 'passed').map(({ id }) => id),
    tests: states.length,
    ms: clock.monotonicMs() - begin,
    why: whyFailed(module, unhandledErrors),
  }
}

function whyFailed(module: TestModule | undefined, unhandled: readonly unknown[]): string {
  if (!module) return 'it was not run'
  const ofTests = [...module.children.allTests()].flatMap((test) => test.result().errors ?? [])
  const [first] = [...module.errors(), ...ofTests, ...unhandled]
  const message = first instanceof Object && 'message' in first ? String(first.message) : ''
  return message.split('\n')[0] ?? ''
}

function testStates(module: TestModule): readonly { readonly id: string; readonly state: string }[] {
  return [...module.children.allTests()].map((test) => ({ id: test.id, state: test.result().state }))
}

function clear(): void {
  for (const name of readdirSync('/proc')) {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === 1 || isOurs(pid)) continue
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
  for (const name of readdirSync('/tmp')) {
    if (join('/tmp', name) !== kept) rmSync(join('/tmp', name), { recursive: true, force: true })
  }
}

/** This process, and vitest's workers below it. What they have left behind belongs to process 1. */
function isOurs(pid: number): boolean {
  if (pid === process.pid) return true
  try {
    const [, parent = '1'] = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
    return Number(parent) > 1 && isOurs(Number(parent))
  } catch {
    return false
  }
}

process.on('message', (request: HostRequest) => {
  run(request).then(
    (answer) => process.send?.(answer),
    () => process.exit(1),
  )
})
process.on('disconnect', () => process.exit(0))
process.send?.('ready')
