/**
 * One attack of test/hostile as an ordinary job on the booted machine: what it knows of that machine, how it is submitted,
 * and what it has reached, by its output, its datagrams and what root's eyes see once it is over.
 *
 * The scripts are those of `npm run hostile`; here each wait in them is longer, since the machine is slower, and they look
 * for the machine's real secrets beside canaries.
 */

import { type Clock, until } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { Random } from '../../core/kernel/random.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import type { Job } from '../../client/jobs.ts'
import { JobSpec } from '../../proto/gen/pilotage/v1/job.ts'
import type { Attack, Outcome, Payload, Reach, Scene } from '../hostile/attack.ts'
import { diskAttacks } from '../hostile/attacks/disk.ts'
import { control } from '../hostile/attacks/every.ts'
import { canaryPattern, newCanary } from '../hostile/canaries.ts'
import { judge } from '../hostile/judge.ts'
import type { Listener } from '../hostile/listener.ts'
import type { Result } from '../hostile/report.ts'
import { slowed } from '../hostile/scripts.ts'
import { partOf } from './vm-batch.ts'
import { type Eyes, type Look, plantedFiles, rootDir } from './vm-eyes.ts'

export type Site = {
  readonly clock: Clock
  readonly random: Random
  readonly listener: Listener
  readonly eyes: Eyes
  /** Before the first attack. */
  readonly before: Look
  /** This machine, as the guest sees it. */
  readonly host: string
  readonly payloadUids: readonly number[]
  readonly activationKey: string
  readonly plantDir: string
  readonly neighbourId: number
  /** Jobs as they were last heard of. */
  readonly jobs: Map<number, Job>
  /** Of all jobs that were submitted, in their order. */
  readonly ids: number[]
  readonly deadlineMs: number
}

export type Running = {
  readonly attack: Attack
  readonly scene: Scene
  readonly canary: string
  readonly jobId: number
  readonly owner: PilotageClient
  readonly partner?: { readonly jobId: number; readonly owner: PilotageClient }
  /** One of several in a payload: its own part of the output stands behind its marker. */
  readonly isInBatch?: true
  /** Since when nothing of it may be heard, on the monotonic clock. */
  endedMs?: number
  /** The machine once it is over. */
  after?: Look
  account?: number
}

/** What the next payload of an account found. What was stolen from it stands in the text of the thief. */
export type Next = { readonly account: number; readonly output: string }

const mib = 1024 ** 2
/** An emulated processor that several payloads share is that much slower than what the attacks' times are for. */
const slowness = 4
/**
 * A measurement is repeated after twenty times its own duration, which is some seconds here: what is taken is kept for
 * longer.
 */
const slownessOfDisk = 12
const diskNames = new Set(diskAttacks.map(({ name }) => name))
const work = '/var/lib/pilotage/work'
/** A signed token: nothing else begins so. */
const tokenPattern = 'eyJ[0-9A-Za-z_-]{10,}[.][0-9A-Za-z_-]{10,}'
/** What was killed is out of /proc, and what a payload wrote is removed, within these times. */
const goneWithinMs = 10_000
const removedWithinMs = 60_000
/** What was sent before the end may be read after it. */
const silenceMs = 2500
export const silentMs = 3000

const ended: readonly string[] = ['Done', 'Failed', 'Killed']

export function isEnded(job: Job | undefined): boolean {
  return job !== undefined && ended.includes(job.state)
}

export function specOf(name: string, payload: Payload, priority = 0): JobSpec {
  const {
    executable,
    arguments: words,
    environment = {},
    memoryBytes,
    diskBytes,
    wallMs,
  } = slowed(payload, diskNames.has(name) ? slownessOfDisk : slowness)
  const requirements = { memoryBytes: memoryBytes ?? 256 * mib, diskBytes: diskBytes ?? 64 * mib, wallMs }
  return JobSpec.fromPartial({ name, executable, arguments: [...words], environment, requirements, priority })
}

/** `jobId`: the one that it will have; an attacker can count, too. `partnerId`: of a payload that works with it. */
export function sceneOf(site: Site, attack: Attack, jobId: number, partnerId = 0): Scene {
  return {
    marker: `mark-${attack.name}-${site.random.letters(10)}`,
    listener: site.host,
    port: site.listener.port,
    secretFiles: {
      credential: '/run/pilotage/credential',
      nonce: '/run/pilotage/credential.nonce',
      'activation-key': '/etc/pilotage/agent.json',
      ...plantedFiles,
    },
    credentialDir: '/run/pilotage',
    workDir: '/var/lib/pilotage',
    programsDir: '/usr/lib/pilotage',
    serviceDir: '/var/lib/cloud',
    rootDir,
    plantDir: site.plantDir,
    pilotPid: site.before.agents.get('pilot') ?? 0,
    ownDir: `${work}/${jobId}.1`,
    partnerDir: `${work}/${partnerId}.1`,
  }
}

/** With a canary of its own, and with eyes for what is secret on a real machine. */
export function armed({ activationKey }: Site, payload: Payload, canary: string): Payload {
  // Its last letter stands in brackets: a pattern that matched itself would find itself among the arguments.
  const key = `${activationKey.slice(0, -1)}[${activationKey.at(-1)}]`
  const secrets = [canaryPattern, tokenPattern, key].join('|')
  const words = payload.arguments.map((word) => word.replaceAll(canaryPattern, secrets))
  return { ...payload, arguments: words, environment: { OWN_CANARY: canary, ...payload.environment } }
}

/** Undefined: the service refuses it, and no pilot ever sees it. */
export async function submitted(ids: number[], owner: PilotageClient, spec: JobSpec): Promise<number | undefined> {
  try {
    const { jobIds } = await owner.submit([spec])
    ids.push(...jobIds)
    return jobIds[0]
  } catch (error) {
    if (error instanceof PilotageError && error.code === 'invalid-argument') return undefined
    throw error
  }
}

/** One without a partner. */
export async function submitAttack(site: Site, owner: PilotageClient, attack: Attack): Promise<Running | undefined> {
  const scene = sceneOf(site, attack, nextId(site))
  const canary = newCanary('own', site.random)
  const jobId = await submitted(site.ids, owner, specOf(attack.name, armed(site, attack.payload(scene), canary)))
  return jobId === undefined ? undefined : { attack, scene, canary, jobId, owner }
}

/** Numbers are given in order, and all jobs are ours. */
export function nextId({ ids }: Site): number {
  return (ids.at(-1) ?? 0) + 1
}

/**
 * Waits for its end, and looks at the machine then: until nothing of it runs and nothing of it is there, or the time is
 * over.
 */
export async function followToItsEnd(site: Site, one: Running): Promise<void> {
  const { clock, eyes, jobs } = site
  const ids = [one.jobId, ...(one.partner ? [one.partner.jobId] : [])]
  const { stopAfterMs } = one.attack
  if (stopAfterMs !== undefined) {
    await untilDeadline(site, () => jobs.get(one.jobId)?.state === 'Running' || isEnded(jobs.get(one.jobId)))
    await until(clock, () => false, { withinMs: stopAfterMs * slowness })
    await one.owner.kill([one.jobId], 'the suite stops it')
  }
  await untilDeadline(site, () => ids.every((id) => isEnded(jobs.get(id))))
  const isOver = (look: Look): boolean => !look.carriers.has(one.scene.marker)
  const isRemoved = (look: Look): boolean => ids.every((id) => !look.isThere(`${work}/${id}.1`))
  let look = await eyes.look()
  const mayBeSeen = async (holds: (look: Look) => boolean, withinMs: number): Promise<void> => {
    const untilMs = clock.monotonicMs() + withinMs
    while (!holds(look) && clock.monotonicMs() < untilMs) look = await eyes.look()
  }
  // A job that was killed counts as over here before the pilot has stopped its payload.
  if (stopAfterMs !== undefined) await mayBeSeen(isRemoved, removedWithinMs)
  one.endedMs = clock.monotonicMs()
  await mayBeSeen(isOver, goneWithinMs)
  one.after = look
  if (isOver(look)) {
    await mayBeSeen(isRemoved, removedWithinMs)
    one.after = look
  }
}

export function untilDeadline({ clock, deadlineMs }: Site, holds: () => boolean): Promise<boolean> {
  return until(clock, holds, { withinMs: Math.max(0, deadlineMs - clock.monotonicMs()), everyMs: 200 })
}

/** Asked once all has been silent for `silentMs`. */
export async function verdictOf(
  site: Site,
  one: Running,
  nexts: readonly Next[],
): Promise<Result & { readonly text: string }> {
  const { attack, scene, canary, after, endedMs } = one
  const { name } = attack
  const job = site.jobs.get(one.jobId)
  const result = job?.result
  if (result === undefined || result.end === 'not-started') {
    const why = `${job?.state ?? 'unknown'} ${job?.reason ?? ''} ${result?.detail ?? ''}`
    return { name, notRun: `it did not run in its time: ${why}`, reaches: [], text: '' }
  }
  const outputs = [one, ...(one.partner ? [one.partner] : [])].map(({ owner, jobId }) => outputOf(owner, jobId))
  const isNext = ({ account, output }: Next): boolean =>
    one.account === undefined || account === one.account || output.includes(scene.marker)
  const next = attack.mode === 'reuse' ? nexts.filter(isNext).map(({ output }) => output) : []
  const output = (await Promise.all(outputs)).join('\n')
  const part = one.isInBatch ? partOf(output, scene.marker) : { text: output, isOver: true }
  if (!part.isOver) return { name, notRun: 'it did not end among the others of its payload', reaches: [], text: '' }
  const text = [part.text, site.listener.heard(scene.marker), ...next].join('\n')
  if (after === undefined || endedMs === undefined) {
    return { name, reaches: [{ what: 'no end', evidence: 'its end was not seen in time' }], text }
  }
  const { end, exitCode = 0, detail, wallMs } = result
  const outcome: Outcome = { end, exitCode, detail, text, wallMs: Number(wallMs) }
  const reaches = judge({
    text,
    ownCanary: canary,
    payloadUids: site.payloadUids,
    pilotNamespace: site.before.pilotNamespace,
    left: after.carriers.get(scene.marker) ?? [],
    isHeard: site.listener.lastMs(scene.marker) - endedMs > silenceMs,
    next: next.join('\n'),
    isNextAlone: true,
    marker: scene.marker,
    deaths: deathsOf(site, after),
    rootFilesBefore: site.before.rootState,
    rootFilesAfter: after.rootState,
  })
  const judged = attack.judge?.(scene, outcome, after) ?? []
  return { name, reaches: [...reaches, ...secretsIn(site, text), ...blindness(attack, text), ...judged], text }
}

/** Its output and its datagram must both bring back what it was given. */
function blindness(attack: Attack, text: string): readonly Reach[] {
  if (attack !== control) return []
  const isSeen = /^cn4ry-own[.]/m.test(text) && text.includes('sent: cn4ry-own.') && text.includes('RAN uid=')
  return isSeen ? [] : [{ what: 'blind', evidence: `the control was not seen: ${text.slice(0, 200)}` }]
}

function secretsIn({ activationKey }: Site, text: string): readonly Reach[] {
  const key = text.includes(activationKey) ? [{ what: 'activation-key', evidence: 'it stands in its text' }] : []
  const token = new RegExp(tokenPattern).test(text) ? [{ what: 'credential', evidence: 'a token stands in its text' }] : []
  return [...key, ...token]
}

function deathsOf({ before, jobs, neighbourId }: Site, { agents }: Look): readonly string[] {
  const agentsGone = [...before.agents].filter(([name, pid]) => agents.get(name) !== pid).map(([name]) => name)
  return [...agentsGone, ...(isEnded(jobs.get(neighbourId)) ? ['neighbour'] : [])]
}

export async function outputOf(user: PilotageClient, jobId: number): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of user.output(jobId)) pieces.push(piece)
  return Buffer.concat(pieces).toString('latin1')
}
