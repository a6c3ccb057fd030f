/**
 * One attack on one VM, from its payloads' start to what is left after their end.
 *
 * Collects what judge.ts needs and leaves the judging to it. What stays true: each wait is bounded; an attack whose end is
 * not reported in time is a reach of its own, since a pilot that no longer reports is ended as good as dead.
 */

import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { type Clock, sleep, until } from '../../core/kernel/clock.ts'
import type { Random } from '../../core/kernel/random.ts'
import type { Attack, Machine, Outcome, Payload, Reach, Scene } from './attack.ts'
import { nextPayload } from './bystanders.ts'
import { newCanary } from './canaries.ts'
import { type Job, type Jobs, jobsOf } from './jobs.ts'
import { judge } from './judge.ts'
import type { Listener } from './listener.ts'
import type { HostileVm } from './vm.ts'

export type Ground = {
  readonly vm: HostileVm
  readonly jobs: Jobs
  readonly listener: Listener
  readonly clock: Clock
  readonly random: Random
  readonly plantDir: string
  readonly programsDir: string
  readonly neighbour: Job
}

export type Verdict = { readonly reaches: readonly Reach[]; readonly seconds: number; readonly text: string }

const endWithinMs = 30_000
/** The pilot stops a payload, waits for its grace, and removes what it wrote: then the account is free. */
const forgetWithinMs = 40_000
/** A process that outlived its job speaks again within this time. */
const lingerMs = 1200
/** All of them speak far more often than this; what was sent before the end may be read after it on a busy machine. */
const silenceMs = 500
const silentWithinMs = 5000
/** What was killed is out of /proc within this time. */
const goneWithinMs = 2000

const thisMachine: Machine = {
  isThere: existsSync,
  namesIn: (folder) => (existsSync(folder) ? readdirSync(folder) : []),
}

export function openJobs(vm: HostileVm, clock: Clock): Jobs {
  return jobsOf(vm, clock, existsSync)
}

export async function tryAttack(attack: Attack, ground: Ground): Promise<Verdict> {
  const { vm, jobs, clock, random, listener } = ground
  const beganMs = clock.monotonicMs()
  const marker = `mark-${attack.name}-${random.letters(10)}`
  const scene = sceneOf(attack, ground, marker)
  const rootFilesBefore = vm.rootState()
  const ownCanary = newCanary('own', random)
  const partner = attack.partner && jobs.submit(withCanary(attack.partner(scene), ownCanary), 'second')
  if (partner) await until(clock, () => partner.isRunning() || partner.isEnded(), { withinMs: 5000, everyMs: 5 })
  const job = jobs.submit(withCanary(attack.payload(scene), ownCanary), 'first')
  if (attack.stopAfterMs !== undefined) {
    await until(clock, job.isRunning, { withinMs: 5000, everyMs: 5 })
    await sleep(clock, attack.stopAfterMs)
    job.stop()
  }
  const report = await job.ended(endWithinMs)
  const endedMs = clock.monotonicMs()
  const next = attack.mode === 'reuse' ? await runNext(ground, job) : undefined
  const { left, isHeard } = attack.lingers ? await linger(ground, marker) : { left: [], isHeard: false }
  if (attack.mode === 'alone') await until(clock, job.isForgotten, { withinMs: forgetWithinMs })
  if (partner) {
    await partner.ended(endWithinMs)
  }
  const text = [job.output(), partner?.output() ?? '', listener.heard(marker), next?.output ?? ''].join('\n')
  const outcome: Outcome = {
    end: report?.result?.end ?? 'no report',
    exitCode: report?.result?.exitCode ?? -1,
    detail: report?.result?.detail ?? '',
    text,
    wallMs: endedMs - beganMs,
  }
  const deaths = [...vm.deaths(), ...(ground.neighbour.isEnded() ? ['neighbour'] : [])]
  const reaches = judge({
    text: text.replaceAll(next?.password ?? '\0', '').concat(next?.stolen ?? ''),
    ownCanary,
    payloadUids: vm.kind.pilot === 'vm' ? Array.from({ length: vm.accounts }, (_, at) => vm.uids.firstPayload + at) : [],
    pilotNamespace: vm.kind.isolation === 'namespaces' ? vm.pidNamespace : undefined,
    left,
    isHeard,
    next: next?.output ?? '',
    isNextAlone: vm.kind.isolation !== 'plain',
    marker,
    deaths,
    rootFilesBefore,
    rootFilesAfter: vm.rootState(),
  })
  const unreported =
    report || deaths.length > 0 ? [] : [{ what: 'pilot stuck', evidence: `no report within ${endWithinMs} ms` }]
  const own = attack.judge?.(scene, outcome, thisMachine) ?? []
  return { reaches: [...reaches, ...unreported, ...own], seconds: (clock.monotonicMs() - beganMs) / 1000, text }
}

function sceneOf(attack: Attack, { vm, jobs, listener, plantDir, programsDir }: Ground, marker: string): Scene {
  return {
    marker,
    listener: '127.0.0.1',
    port: listener.port,
    secretFiles: vm.secretFiles,
    credentialDir: vm.paths.credential.replace(/\/[^/]*$/, ''),
    workDir: vm.paths.work,
    programsDir,
    serviceDir: vm.serviceDir,
    rootDir: vm.rootDir,
    plantDir,
    pilotPid: vm.pilotPid,
    ownDir: jobs.nextDir(attack.partner ? 2 : 1),
    partnerDir: jobs.nextDir(1),
  }
}

function withCanary(payload: Payload, canary: string): Payload {
  return { ...payload, environment: { OWN_CANARY: canary, ...payload.environment } }
}

/**
 * The next payload of the account, as soon as that is free; where none is given, the account was retired, which is as good.
 */
async function runNext(ground: Ground, job: Job) {
  const { clock, jobs, random, vm, listener } = ground
  await until(clock, job.isForgotten, { withinMs: forgetWithinMs })
  const { payload, password } = nextPayload(random)
  const next = jobs.submit(payload, 'third')
  await next.ended(endWithinMs)
  // A thief says by datagram or by its own output what it took; the next payload's own output does not have it.
  const heard = [...new Set(listener.texts().flatMap((text) => text.split('\n')))].join('\n')
  const stolen = heard.includes(password) ? `\n${password}` : ''
  return { output: next.output(), password, stolen, deaths: vm.deaths() }
}

async function linger({ clock, listener }: Ground, marker: string) {
  await sleep(clock, lingerMs)
  const isSilent = (): boolean => clock.monotonicMs() - listener.lastMs(marker) > silenceMs
  const isHeard = !(await until(clock, isSilent, { withinMs: silentWithinMs, everyMs: 50 }))
  await until(clock, () => carriersOf(marker).length === 0, { withinMs: goneWithinMs, everyMs: 50 })
  return { left: carriersOf(marker), isHeard }
}

/**
 * Processes, dead leaders with living threads too, that show the marker in their command, their environment or their folder.
 */
function carriersOf(marker: string): readonly string[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return []
    const shown = ['cmdline', 'environ']
      .map((file) => quietly(() => readFileSync(`/proc/${name}/${file}`, 'latin1')))
      .join(' ')
    const cwd = quietly(() => readlinkSync(`/proc/${name}/cwd`))
    return `${shown} ${cwd}`.includes(marker) ? [`${name} ${shown.replaceAll('\0', ' ').slice(0, 100)}`] : []
  })
}

function quietly(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}
