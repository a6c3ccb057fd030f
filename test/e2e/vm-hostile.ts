/**
 * The attacks of test/hostile as ordinary jobs on the booted machine: one after the other, beside a neighbour with secrets that
 * has also left the attackers' tools in its home.
 *
 * What they find comes back as their output and by datagrams. Attacks that need a second account at the same moment, or root's
 * eyes on the machine, stay with `npm run hostile`; the number of those tried here is one of the scenario's figures.
 */

import { type Clock, sleep, until } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { Random } from '../../core/kernel/random.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { JobSpec } from '../../proto/gen/pilotage/v1/job.ts'
import { type Attack, type Payload, type Scene, sh } from '../hostile/attack.ts'
import { control, everyAttack } from '../hostile/attacks/every.ts'
import { neighbour } from '../hostile/bystanders.ts'
import { newCanary } from '../hostile/canaries.ts'
import { judge } from '../hostile/judge.ts'
import { type Listener, openListener } from '../hostile/listener.ts'
import { shownEvidence } from '../hostile/report.ts'
import { planterScript } from '../hostile/scripts.ts'
import { quoted } from '../../contextualization/shell.ts'

export type VmAttacks = {
  readonly tried: number
  /** One line for each secret, process or power that was reached. */
  readonly reached: readonly string[]
  /** All that they have found. */
  readonly text: string
}

export type VmAttackOptions = {
  readonly clock: Clock
  readonly random: Random
  /** Of two different owners. */
  readonly attacker: PilotageClient
  readonly neighbour: PilotageClient
  /** This machine, as the guest sees it. */
  readonly host: string
  /** The guest's own, as contextualization numbers them. */
  readonly payloadUids: readonly number[]
  readonly withinMs: number
}

const mib = 1024 ** 2
/** An emulated machine is that much slower than what the attacks' times are for. */
const slowness = 4
/** Once the end is known here, a job that left nothing has been silent for longer than this. */
const silentMs = 3000
const readyMs = 90_000
/** For the attack that runs when the time is over. */
const lastMs = 30_000
/**
 * Made for what one emulated processor cannot carry in the time of a scenario. `many-files` among them: a walk over its files is
 * repeated only after twenty times its own duration, which is longer there than the attack.
 */
const tooHeavy = [
  'fork-bomb',
  'many-files',
  'set-uid-programs',
  'search-machine',
  'proc-mem',
  'process-vm-readv',
  'output-flood',
]

const ended: readonly string[] = ['Done', 'Failed', 'Killed']
/** The network is the machine's, and so are abstract sockets. */
const byDesign = ['neighbour-open-socket']

type Running = {
  readonly attack: Attack
  readonly scene: Scene
  readonly canary: string
  readonly jobId: number
  hasBegun?: true
  endedMs?: number
  end?: string
}

export async function attackOnVm(options: VmAttackOptions): Promise<VmAttacks> {
  const { clock, random, attacker } = options
  const listener = await openListener(clock)
  const [besideId = 0] = (await options.neighbour.submit([neighbourWithTools(random)])).jobIds
  try {
    const isThere = async (): Promise<boolean> => (await stateOf(options.neighbour, besideId)) === 'Running'
    if (!(await until(clock, isThere, { withinMs: readyMs, everyMs: 500 }))) {
      return { tried: 0, reached: ['the neighbour of the attacks does not run'], text: '' }
    }
    const running: Running[] = []
    for (const attack of [control, ...everyAttack.filter(isFit)]) {
      const one = await submit(options, listener, attack, besideId)
      if (one) running.push(one)
    }
    await watch(options, running)
    const reached: string[] = []
    let all = ''
    // What never began within the time is not counted as tried; an attack that began must have ended.
    const begun = running.filter(({ hasBegun }) => hasBegun)
    for (const one of begun) {
      const output = one.endedMs === undefined ? '' : await outputOf(attacker, one.jobId)
      const text = `${output}\n${listener.heard(one.scene.marker)}`
      all += `--- place ${one.attack.name}\n${text}\n`
      reached.push(...(one.attack === control ? blindness(text) : reachedBy(options, listener, one, text)))
    }
    return { tried: begun.length, reached, text: all }
  } finally {
    await options.neighbour.kill([besideId], 'the attacks are over').catch(() => undefined)
    listener.close()
  }
}

/**
 * Two payloads at a time, one processor each: what needs more, or root's eyes on the machine, is tried at home. What is left for
 * the next payload is looked for there as well; here the next ones are the attacks themselves, and a thief would bring their
 * canaries.
 */
function isFit({ name, partner, looksOutside, mode, stopAfterMs, needs = [] }: Attack): boolean {
  const isAlone = partner !== undefined || looksOutside || mode === 'alone' || stopAfterMs !== undefined
  const isLitter = mode === 'reuse' && !name.endsWith('steals')
  return !isAlone && !isLitter && !needs.includes('gcc') && !tooHeavy.includes(name)
}

/** The attackers' tools are in the home of the neighbour, who knows nothing of them. */
function neighbourWithTools(random: Random): JobSpec {
  const { payload } = neighbour(random)
  const [, script = '', argument = ''] = payload.arguments
  const tools = `(${planterScript(undefined, 1)}) && exec ${payload.executable} -e ${quoted(script)} ${argument}`
  return specOf('neighbour', { ...payload, ...sh(tools), environment: payload.environment })
}

function specOf(name: string, { executable, arguments: words, environment = {}, ...limits }: Payload): JobSpec {
  const { memoryBytes = 128 * mib, diskBytes = 64 * mib, wallMs = 15_000 } = limits
  const requirements = { memoryBytes, diskBytes, wallMs: wallMs * slowness }
  return JobSpec.fromPartial({ name, executable, arguments: [...words], environment, requirements })
}

async function submit(
  { attacker, random, host }: VmAttackOptions,
  listener: Listener,
  attack: Attack,
  besideId: number,
): Promise<Running | undefined> {
  const work = '/var/lib/pilotage/work'
  const scene: Scene = {
    marker: `mark-${attack.name}-${random.letters(10)}`,
    listener: host,
    port: listener.port,
    secretFiles: {
      credential: '/run/pilotage/credential',
      nonce: '/run/pilotage/credential.nonce',
      'activation-key': '/etc/pilotage/agent.json',
    },
    credentialDir: '/run/pilotage',
    workDir: '/var/lib/pilotage',
    programsDir: '/usr/lib/pilotage',
    serviceDir: '/var/lib/cloud',
    rootDir: '/etc',
    plantDir: `${work}/${besideId}.1/home`,
    pilotPid: 1,
    ownDir: `${work}/none`,
    partnerDir: `${work}/none`,
  }
  const canary = newCanary('own', random)
  const payload = attack.payload(scene)
  const spec = specOf(attack.name, { ...payload, environment: { OWN_CANARY: canary, ...payload.environment } })
  try {
    const [jobId = 0] = (await attacker.submit([spec])).jobIds
    return { attack, scene, canary, jobId }
  } catch (error) {
    // Names and lengths that the service refuses never reach a pilot.
    if (error instanceof PilotageError && error.code === 'invalid-argument') return undefined
    throw error
  }
}

async function watch({ attacker, clock, withinMs }: VmAttackOptions, running: readonly Running[]): Promise<void> {
  const byId = new Map(running.map((one) => [one.jobId, one]))
  const follow = async (): Promise<void> => {
    for await (const { jobId, state } of attacker.watch([...byId.keys()])) {
      const one = byId.get(jobId)
      if (one && ['Running', 'Done', 'Failed'].includes(state)) one.hasBegun = true
      if (one && ended.includes(state)) Object.assign(one, { endedMs: one.endedMs ?? clock.monotonicMs(), end: state })
    }
  }
  await Promise.race([follow(), sleep(clock, withinMs)])
  const waiting = running.filter(({ hasBegun }) => !hasBegun).map(({ jobId }) => jobId)
  if (waiting.length > 0) await attacker.kill(waiting, 'the time for attacks is over')
  await until(clock, () => running.every(({ hasBegun, endedMs }) => !hasBegun || endedMs !== undefined), {
    withinMs: lastMs,
  })
  await sleep(clock, silentMs)
}

function reachedBy(options: VmAttackOptions, listener: Listener, one: Running, text: string): readonly string[] {
  const { attack, scene, canary, endedMs, end = 'not ended' } = one
  const silence = endedMs === undefined ? 0 : listener.lastMs(scene.marker) - endedMs
  const reaches = judge({
    text,
    ownCanary: canary,
    payloadUids: options.payloadUids,
    pilotNamespace: undefined,
    left: [],
    isHeard: attack.lingers === true && silence > silentMs / 2,
    next: '',
    isNextAlone: false,
    marker: scene.marker,
    deaths: [],
    rootFilesBefore: '',
    rootFilesAfter: '',
  })
  const outcome = { end: end === 'Done' ? 'exited' : end, exitCode: 0, detail: '', text, wallMs: 0 }
  const own = attack.judge?.(scene, outcome) ?? []
  const late = endedMs === undefined ? [`${attack.name} did not end in time`] : []
  const shown = [...reaches, ...own].filter(({ what }) => !byDesign.includes(what))
  return [...late, ...shown.map(({ what, evidence }) => `${attack.name} reached ${what}: ${shownEvidence(evidence)}`)]
}

function blindness(text: string): readonly string[] {
  const isSeen = /^cn4ry-own[.]/m.test(text) && text.includes('sent: cn4ry-own.')
  return isSeen ? [] : [`the control attack was not seen: ${text.slice(0, 200)}`]
}

async function stateOf(client: PilotageClient, jobId: number): Promise<string> {
  for await (const { state } of client.list({ jobIds: [jobId] })) return state
  return ''
}

async function outputOf(user: PilotageClient, jobId: number): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of user.output(jobId)) pieces.push(piece)
  return Buffer.concat(pieces).toString('latin1')
}
