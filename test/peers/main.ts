/**
 * `npm run test:peers [-- NAME...] [--needs PEER] [--without PEER]`: the tests in this folder, against the real servers that
 * are found here; with names, the files whose paths contain one; `--needs` and `--without`, which can be repeated, choose
 * files by the peers that they start. Whatever is found in two versions is tested with both.
 *
 * A peer that is absent is named as not run, with every file that needs it; with REQUIRE_PEERS=1 that is a failure. Ends
 * with one line, after proof that no server is left. Exit codes: 0 all that ran passed, 1 something failed, something is
 * left, a required peer is absent, a peer that a file needs is faulty, or nothing ran at all.
 */

import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createVitest, type TestUserConfig } from 'vitest/node'
import { systemClock } from '../../core/kernel/clock.ts'
import { commandOf, leftUnder, processesUnder } from '../support/processes.ts'
import { findPeers, placeText, whyAbsent } from './find-peers.ts'
import type { Peer, PeerName, Place } from './peer.ts'
import { raiseOpenStack } from './openstack-peer.ts'
import type { PeersForTests } from './servers.ts'

type TestFile = { readonly path: string; readonly needs: readonly PeerName[] }
/** Files that run together with these servers. */
type Round = { readonly name: string; readonly peers: PeersForTests; readonly files: readonly string[] }
type Counts = {
  readonly passed: number
  readonly failed: number
  /** Each with the reason. */
  readonly skipped: readonly string[]
  readonly ran: ReadonlySet<PeerName>
}

const root = join(import.meta.dirname, '../..')
/** A server starts within seconds; on a busy machine its recovery and an election take longer. */
const testMs = 120_000
const hookMs = 240_000
const leftoversMs = 10_000

const { values, positionals } = parseArgs({
  options: { needs: { type: 'string', multiple: true }, without: { type: 'string', multiple: true } },
  allowPositionals: true,
})
const { needs: needed = [], without = [] } = values

const clock = systemClock()
const beginMs = clock.monotonicMs()
const dir = mkdtempSync(join(tmpdir(), 'pilotage-peers-'))
// Whatever tests put beside their servers, and every process that works there, is found with them.
process.env.TMPDIR = dir
// Also where another program ends us in the middle of it, and vitest with us.
process.on('exit', clearAway)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
process.exitCode = await run(positionals, process.env.REQUIRE_PEERS === '1').catch((thrown: unknown) => {
  console.error(`error: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
  console.log('peers: result=FAILED')
  return 1
})

async function run(wanted: readonly string[], isRequired: boolean): Promise<number> {
  const peers = findPeers(process.env)
  const unknown = [...needed, ...without].filter((name) => !peers.some((peer) => peer.name === name))
  if (unknown.length > 0)
    throw new Error(`no peer ${unknown.join(', ')}; accepted: ${peers.map(({ name }) => name).join(', ')}`)
  const chosen = testFiles()
    .filter(({ path }) => wanted.length === 0 || wanted.some((part) => path.includes(part)))
    .filter(({ needs }) => needed.every((name) => includes(needs, name)))
    .filter(({ needs }) => !without.some((name) => includes(needs, name)))
  const files = chosen.filter(({ needs }) => needs.length > 0)
  const strays = chosen.filter(({ needs }) => needs.length === 0)
  for (const { path } of strays) console.log(`error: ${path} starts no server of servers.ts: it belongs elsewhere`)
  const asked = peers.filter(({ name }) => files.some(({ needs }) => needs.includes(name)))
  for (const peer of asked) console.log(described(peer))
  const absent = asked.filter(({ places }) => places.length === 0)
  const isHere = ({ needs }: TestFile): boolean => !absent.some(({ name }) => needs.includes(name))
  const ready = files.filter(isHere)
  const lower = await raised(peers, ready)
  const counts = await counted(roundsOf(peers, ready), files).finally(lower)
  const left = await leftUnder(clock, dir, leftoversMs)
  for (const seen of left) console.log(`left running: ${commandOf(seen)}`)
  // The last word on what is absent stands below whatever the tests printed.
  for (const text of counts.skipped) console.log(`not run: ${text}`)
  const notRun = files.filter((file) => !isHere(file))
  for (const { path, needs } of notRun) console.log(`not run: ${path} (it needs ${needs.join(' and ')})`)
  for (const peer of absent) console.log(described(peer))
  if (isRequired && absent.length > 0) console.log('error: REQUIRE_PEERS=1 and not every peer is here')
  if (counts.passed === 0) console.log('error: nothing was tested')
  // A peer that is here and broken is never a peer that happens to be absent.
  const faulty = absent.filter(({ fault }) => fault !== undefined)
  const isBroken = counts.failed + left.length + strays.length + faulty.length > 0 || counts.passed === 0
  const isFailed = isBroken || (isRequired && absent.length > 0)
  const isComplete = absent.length + counts.skipped.length === 0
  const stateOf = (peer: Peer): string =>
    counts.ran.has(peer.name) ? 'ran' : asked.includes(peer) ? 'NOT-RUN' : 'not-asked'
  const figures = [
    ...peers.map((peer) => `${peer.name}=${stateOf(peer)}`),
    `tests=${counts.passed + counts.failed}`,
    `failed=${counts.failed}`,
    `skipped=${counts.skipped.length}`,
    `files-not-run=${notRun.length}`,
    `seconds=${Math.round((clock.monotonicMs() - beginMs) / 1000)}`,
    `result=${isFailed ? 'FAILED' : isComplete ? 'ok' : 'INCOMPLETE'}`,
  ]
  console.log(`peers: ${figures.join(' ')}`)
  return isFailed ? 1 : 0
}

function includes(needs: readonly PeerName[], name: string): boolean {
  return needs.some((one) => one === name)
}

/** What is too large for each file to start for itself. Resolves with what ends it. */
async function raised(peers: readonly Peer[], files: readonly TestFile[]): Promise<() => Promise<void>> {
  const place = peers.find(({ name }) => name === 'openstack')?.places[0]
  const isNeeded = files.some(({ needs }) => needs.includes('openstack'))
  return place && isNeeded ? raiseOpenStack(clock, place, dir) : async () => {}
}

function described(peer: Peer): string {
  if (peer.places.length === 0) return `${peer.fault === undefined ? 'not run' : 'error'}: ${whyAbsent(peer)}`
  return `${peer.name}: ${peer.places.map(placeText).join(', ')}`
}

/** What a file needs is what it starts: see servers.ts. */
function testFiles(): readonly TestFile[] {
  return globSync('test/peers/**/*.test.ts', { cwd: root })
    .sort()
    .map((path) => {
      const text = readFileSync(join(root, path), 'utf8')
      const needs: PeerName[] = []
      if (/\bstartMongo\(/.test(text)) needs.push('mongod')
      if (/\bstartNats\(/.test(text)) needs.push('nats-server')
      if (/\bstartMoto\(/.test(text)) needs.push('moto_server')
      if (/\bstartSquid\(/.test(text)) needs.push('squid')
      if (/\bcloudInit\(/.test(text)) needs.push('cloud-init')
      if (/\bstartOpenNebula\(/.test(text)) needs.push('opennebula')
      if (/\bstartOpenStack\(/.test(text)) needs.push('openstack')
      if (/\bstartSshHosts\(/.test(text)) needs.push('sshd')
      if (/\bstageForVm\(/.test(text)) needs.push('vm', 'squid')
      return { path, needs }
    })
}

/**
 * All files once, with the first of each peer; then for each further version the files that need that peer and nothing else:
 * those that need more are about more, and take minutes.
 */
function roundsOf(peers: readonly Peer[], files: readonly TestFile[]): readonly Round[] {
  const first: Partial<Record<PeerName, Place>> = {}
  for (const { name, places } of peers) if (places[0]) first[name] = places[0]
  const round = (places: PeersForTests['places'], ran: readonly TestFile[]): readonly Round[] => {
    const needed = Object.entries(places).filter(([peer]) => ran.some(({ needs }) => needs.some((one) => one === peer)))
    const name = needed.map(([peer, place]) => `${peer} ${versionOf(place)}`)
    return ran.length === 0 ? [] : [{ name: name.join(', '), peers: { places, dir }, files: ran.map(({ path }) => path) }]
  }
  const again = peers.flatMap(({ name, places }) =>
    places.slice(1).flatMap((place) => {
      const needing = files.filter(({ needs }) => needs.every((one) => one === name))
      return round({ [name]: place }, needing)
    }),
  )
  return [...round(first, files), ...again]
}

function versionOf(place: Place): string {
  return place.kind === 'url' ? 'running' : place.version
}

function config(rounds: readonly Round[]): TestUserConfig {
  return {
    config: false,
    root,
    watch: false,
    projects: rounds.map(({ name, peers, files }) => ({
      test: {
        name,
        root,
        include: [...files],
        provide: { peers },
        testTimeout: testMs,
        hookTimeout: hookMs,
        pool: 'forks' as const,
        // Three databases and a broker for one file at a time are enough for two cores.
        fileParallelism: false,
      },
    })),
  }
}

async function counted(rounds: readonly Round[], files: readonly TestFile[]): Promise<Counts> {
  const counts = { passed: 0, failed: 0, skipped: [] as string[], ran: new Set<PeerName>() }
  if (rounds.length === 0) return counts
  const vitest = await createVitest('test', config(rounds))
  const { testModules, unhandledErrors } = await vitest.start()
  for (const module of testModules) {
    const passedBefore = counts.passed
    // A file that could not be loaded, or a hook that failed, has no test that says so.
    counts.failed += module.errors().length
    for (const suite of module.children.allSuites()) counts.failed += suite.errors().length
    for (const test of module.children.allTests()) {
      const result = test.result()
      if (result.state === 'passed' || result.state === 'failed') counts[result.state] += 1
      else counts.skipped.push(`${test.fullName}: ${(result.state === 'skipped' && result.note) || result.state}`)
    }
    if (counts.passed === passedBefore) continue
    const needs = files.find(({ path }) => module.moduleId.endsWith(`/${path}`))?.needs ?? []
    for (const name of needs) counts.ran.add(name)
  }
  counts.failed += unhandledErrors.length
  await vitest.close()
  return counts
}

/** Nothing stays. Waits for nothing: a process that is on its way out has no time. */
function clearAway(): void {
  for (const { pid } of processesUnder(dir)) process.kill(pid, 'SIGKILL')
  rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
}
