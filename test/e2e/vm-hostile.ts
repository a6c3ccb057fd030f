/**
 * The whole suite of test/hostile as ordinary jobs on the booted machine, several at a time, beside a neighbour with secrets
 * that has also left the attackers' tools in its home.
 *
 * First come attacks on the next payload of an account, and then a payload in each account; then all others, and beside
 * them, one after the other, those that have a partner. Each is judged by itself (vm-attack.ts), and
 * test/hostile/expected.ts says under `booted` what may be reached here and what has no meaning here.
 */

import { type Clock, sleep, until } from '../../core/kernel/clock.ts'
import type { Random } from '../../core/kernel/random.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { quoted } from '../../contextualization/shell.ts'
import type { Job } from '../../client/jobs.ts'
import { type Attack, sh } from '../hostile/attack.ts'
import { diskAttacks } from '../hostile/attacks/disk.ts'
import { control, everyAttack } from '../hostile/attacks/every.ts'
import { expectations } from '../hostile/expected.ts'
import { neighbour, nextPayload } from '../hostile/bystanders.ts'
import { newCanary } from '../hostile/canaries.ts'
import { openListener } from '../hostile/listener.ts'
import { report, type Result } from '../hostile/report.ts'
import { knowledge, planterScript } from '../hostile/scripts.ts'
import { findTools } from '../hostile/tools.ts'
import {
  armed,
  followToItsEnd,
  isEnded,
  type Next,
  nextId,
  outputOf,
  type Running,
  sceneOf,
  silentMs,
  type Site,
  specOf,
  submitAttack,
  submitted,
  untilDeadline,
  verdictOf,
} from './vm-attack.ts'
import { batchesOf, batchPayload, canShare } from './vm-batch.ts'
import type { Eyes } from './vm-eyes.ts'

export type VmAttacks = {
  readonly tried: number
  /** Of the suite, the control among them; without those that have no meaning here. */
  readonly wanted: number
  readonly seconds: number
  /**
   * One line for each secret, process or power that was reached, and for each attack that was not tried and should have
   * been.
   */
  readonly wrong: readonly string[]
  /** What it all says, for people. */
  readonly lines: readonly string[]
}

export type VmAttackOptions = {
  readonly clock: Clock
  readonly random: Random
  /** Of two different owners. */
  readonly attacker: PilotageClient
  readonly neighbour: PilotageClient
  readonly eyes: Eyes
  /** This machine, as the guest sees it. */
  readonly host: string
  /** The guest's own, as contextualization numbers them. */
  readonly payloadUids: readonly number[]
  readonly activationKey: string
  readonly withinMs: number
  say(line: string): void
}

const kind = 'booted'
const readyMs = 90_000
/** The service takes no longer argument or variable than 8 KiB. */
const libraryPieceLength = 8000
/** Compared between jobs of one owner: an attack whose partner waits goes before the others. */
const urgent = 9
/** Accounts may be given out in another order while they are cleaned. */
const roundsOfNexts = 3

export async function attackOnVm(options: VmAttackOptions): Promise<VmAttacks> {
  const { clock, eyes } = options
  const listener = await openListener(clock)
  const jobs = new Map<number, Job>()
  const ids: number[] = []
  const beganMs = clock.monotonicMs()
  const { library, missing } = findTools()
  const beside = neighbourWithTools(options, listener.port, library)
  const neighbourId = (await submitted(ids, options.neighbour, beside.spec)) ?? 0
  keepUpWith(options.neighbour, [neighbourId], jobs)
  try {
    const isReady = (): boolean => listener.heard(beside.marker).includes('ready')
    const isUp = await until(clock, isReady, { withinMs: readyMs })
    // The tools must be able to win: the library says who it runs as where its own payload loads it.
    const why = isUp ? toolsLack(listener.heard(beside.marker), library) : 'the neighbour of the attacks does not run'
    if (why !== undefined) return { tried: 0, wanted: 0, seconds: 0, wrong: [why], lines: [] }
    const plantDir = `/var/lib/pilotage/work/${neighbourId}.1/home`
    const deadlineMs = beganMs + options.withinMs
    const before = await eyes.look()
    if (before.agents.size < 2) throw new Error(`root’s eyes see no agents but ${[...before.agents.keys()].join(', ')}`)
    const site: Site = { ...options, listener, jobs, ids, neighbourId, plantDir, before, deadlineMs }
    const results = await tryAll(site, options, [...missing.keys()])
    const seconds = Math.round((clock.monotonicMs() - beganMs) / 1000)
    const said = report(new Map([[kind, results]]), { seconds, requiresAll: true, isPart: false })
    const wanted = everyAttack.length + 1 - Object.keys(expectations[kind]?.absent ?? {}).length
    return { tried: said.tried, wanted, seconds, wrong: said.wrong, lines: said.lines }
  } finally {
    await options.neighbour.kill([neighbourId], 'the attacks are over').catch(() => undefined)
    listener.close()
  }
}

async function tryAll(site: Site, options: VmAttackOptions, missing: readonly string[]): Promise<readonly Result[]> {
  const { clock } = site
  const results: Result[] = []
  const running: Running[] = []
  const lacking = ({ needs = [] }: Attack): string => needs.filter((tool) => missing.includes(tool)).join(', ')
  const start = async (attacks: readonly Attack[]): Promise<readonly Running[]> => {
    const some: Running[] = []
    for (const attack of attacks) {
      const { name } = attack
      const one = lacking(attack) === '' ? await submitAttack(site, options.attacker, attack) : undefined
      if (one) some.push(one)
      else
        results.push({
          name,
          notRun: lacking(attack) === '' ? 'the service refuses it' : `no ${lacking(attack)}`,
          reaches: [],
        })
    }
    keepUpWith(
      options.attacker,
      some.map(({ jobId }) => jobId),
      site.jobs,
    )
    running.push(...some)
    return some
  }
  const reuse = everyAttack.filter(({ mode }) => mode === 'reuse')
  const pairs = everyAttack.filter(({ partner }) => partner !== undefined)
  const rest = everyAttack.filter((attack) => !reuse.includes(attack) && !pairs.includes(attack))
  const shared = rest.filter((attack) => canShare(attack) && lacking(attack) === '')
  const single = rest.filter((attack) => !shared.includes(attack))
  const first = await start(reuse)
  const firstEnds = first.map((one) => followToItsEnd(site, one))
  await seeAccounts(site, first)
  const nexts = await runNexts(site, options)
  options.say(`attacks on the next payload are over, ${nexts.length} payloads came next`)
  const batches = await startBatches(site, options.attacker, shared)
  running.push(...batches)
  const others = [...batches, ...(await start([control, ...spread(single)]))]
  const otherEnds = others.map((one) => followToItsEnd(site, one))
  for (const attack of pairs) running.push(...(await tryPair(site, options, attack)))
  await Promise.all([...firstEnds, ...otherEnds])
  const waiting = running.filter(({ jobId }) => !isEnded(site.jobs.get(jobId))).map(({ jobId }) => jobId)
  if (waiting.length > 0) await options.attacker.kill(waiting, 'the time for attacks is over')
  await sleep(clock, silentMs)
  for (const one of running) {
    const { text, ...result } = await verdictOf(site, one, nexts)
    // The control of a batch counts where it is not seen: the batch is blind then.
    const isExtra = one.isInBatch === true && one.attack === control
    if (!isExtra || result.notRun !== undefined || result.reaches.length > 0) results.push(result)
  }
  return results
}

/** Those that take a part of the disk keep it for minutes: of four payloads at a time, one at most waits so. */
function spread(attacks: readonly Attack[]): readonly Attack[] {
  const disk = diskAttacks.filter((attack) => attacks.includes(attack))
  const others = attacks.filter((attack) => !disk.includes(attack))
  const between = Math.floor(others.length / (disk.length + 1))
  return others.flatMap((attack, at) => [attack, ...(at % between === 0 ? disk.slice(at / between, at / between + 1) : [])])
}

/** Each batch begins with the control, which must win in it as well. */
async function startBatches(site: Site, owner: PilotageClient, attacks: readonly Attack[]): Promise<readonly Running[]> {
  const running: Running[] = []
  for (const batch of batchesOf(attacks)) {
    const canary = newCanary('own', site.random)
    const scenes = [control, ...batch].map((attack) => ({ attack, scene: sceneOf(site, attack, nextId(site)) }))
    const payloads = scenes.map(({ attack, scene }) => [scene.marker, armed(site, attack.payload(scene), canary)] as const)
    const jobId = await submitted(site.ids, owner, specOf(`batch-of-${batch.length}`, batchPayload(payloads)))
    if (jobId === undefined) throw new Error(`the service refuses the attacks ${batch.map(({ name }) => name).join(', ')}`)
    running.push(...scenes.map(({ attack, scene }): Running => ({ attack, scene, canary, jobId, owner, isInBatch: true })))
  }
  keepUpWith(owner, [...new Set(running.map(({ jobId }) => jobId))], site.jobs)
  return running
}

/** Which account each of them has, while they run. */
async function seeAccounts(site: Site, some: readonly Running[]): Promise<void> {
  const isOver = (): boolean => some.every(({ jobId }) => isEnded(site.jobs.get(jobId)))
  while (!isOver() && site.clock.monotonicMs() < site.deadlineMs) {
    const { accounts } = await site.eyes.look()
    for (const one of some) one.account ??= accounts.get(`${one.jobId}.1`)
    await sleep(site.clock, 100)
  }
}

/** A payload of another owner in every account but the neighbour's: whichever was attacked is among them. */
async function runNexts(site: Site, { neighbour: owner }: VmAttackOptions): Promise<readonly Next[]> {
  const nexts: Next[] = []
  const wanted = new Set(site.payloadUids)
  wanted.delete((await site.eyes.look()).accounts.get(`${site.neighbourId}.1`) ?? 0)
  for (let round = 0; round < roundsOfNexts && wanted.size > 0; round += 1) {
    const started: { readonly jobId: number; readonly password: string }[] = []
    for (let at = 0; at < (round === 0 ? wanted.size : site.payloadUids.length); at += 1) {
      const { payload, password } = nextPayload(site.random)
      const jobId = await submitted(site.ids, owner, specOf('next', payload))
      if (jobId !== undefined) started.push({ jobId, password })
    }
    keepUpWith(
      owner,
      started.map(({ jobId }) => jobId),
      site.jobs,
    )
    await untilDeadline(site, () => started.every(({ jobId }) => isEnded(site.jobs.get(jobId))))
    for (const { jobId, password } of started.filter((one) => isEnded(site.jobs.get(one.jobId)))) {
      const output = await outputOf(owner, jobId)
      const account = Number(/^account (\d+)$/m.exec(output)?.[1] ?? 0)
      if (!output.includes('counted')) continue
      nexts.push({ account, output: output.replaceAll(password, '') })
      wanted.delete(account)
    }
  }
  return nexts
}

/** The partner of another owner runs before the attack begins. */
async function tryPair(
  site: Site,
  { attacker, neighbour: helper }: VmAttackOptions,
  attack: Attack,
): Promise<readonly Running[]> {
  const { random, jobs } = site
  const canary = newCanary('own', random)
  const firstId = nextId(site)
  const scene = sceneOf(site, attack, firstId + 1, firstId)
  const partner = attack.partner?.(scene)
  if (partner === undefined) return []
  const partnerId = (await submitted(site.ids, helper, specOf(`${attack.name}-partner`, armed(site, partner, canary)))) ?? 0
  keepUpWith(helper, [partnerId], jobs)
  await untilDeadline(site, () => jobs.get(partnerId)?.state === 'Running')
  const jobId =
    (await submitted(site.ids, attacker, specOf(attack.name, armed(site, attack.payload(scene), canary), urgent))) ?? 0
  keepUpWith(attacker, [jobId], jobs)
  if (partnerId !== firstId || jobId !== firstId + 1) {
    throw new Error(
      `the jobs of ${attack.name} have the numbers ${partnerId} and ${jobId} instead of ${firstId} and the next`,
    )
  }
  const one: Running = { attack, scene, canary, jobId, owner: attacker, partner: { jobId: partnerId, owner: helper } }
  await followToItsEnd(site, one)
  return [one]
}

/** The attackers' tools are in the home of the neighbour, who knows nothing of them. */
function neighbourWithTools({ random, host }: VmAttackOptions, port: number, library: string | undefined) {
  const { payload } = neighbour(random)
  const marker = `mark-neighbour-${random.letters(10)}`
  const [, script = '', argument = ''] = payload.arguments
  const pieces = (library ?? '').match(new RegExp(`.{1,${libraryPieceLength}}`, 'g')) ?? []
  const names = pieces.map((_, at) => `LIBRARY_${at}`)
  const planted = library === undefined ? undefined : `"${names.map((name) => `$${name}`).join('')}"`
  // What it was given for the library alone is no part of the neighbour.
  const tools = [
    `(${planterScript(planted, 0)}) && LD_PRELOAD="$HOME/evil.so" /bin/true`,
    `exec /usr/bin/env ${['HOSTILE_MARK', 'HOSTILE_HOST', 'HOSTILE_PORT', 'HOSTILE_LOOT', ...names].map((name) => `-u ${name}`).join(' ')} ${payload.executable} -e ${quoted(`${saidReady(host, port, marker)} ${script}`)} ${argument}`,
  ].join('; ')
  const own = knowledge({ marker, listener: host, port, secretFiles: {} })
  const pieced = Object.fromEntries(names.map((name, at) => [name, pieces[at] ?? '']))
  const environment = { ...payload.environment, ...own, ...pieced }
  return { marker, spec: specOf('neighbour', { ...payload, ...sh(tools), environment }) }
}

function saidReady(host: string, port: number, marker: string): string {
  return `use Socket; socket(my $hs, PF_INET, SOCK_DGRAM, 0); send($hs, "${marker} ready", 0, pack_sockaddr_in(${port}, inet_aton("${host}")));`
}

function toolsLack(heard: string, library: string | undefined): string | undefined {
  return library === undefined || heard.includes('RAN uid=')
    ? undefined
    : 'the attackers’ library does not work on the machine'
}

/** In the background, until all of them have ended. */
function keepUpWith(owner: PilotageClient, jobIds: readonly number[], jobs: Map<number, Job>): void {
  const follow = async (): Promise<void> => {
    for await (const job of owner.watch(jobIds)) jobs.set(job.jobId, job)
  }
  if (jobIds.length > 0) follow().catch(() => undefined)
}
