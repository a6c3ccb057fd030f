/**
 * All attacks on one kind of isolation: two VMs, one for attacks that run beside each other, one for those that need it for
 * themselves and may end its pilot, which is then replaced.
 */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, until } from '../../core/kernel/clock.ts'
import type { Random } from '../../core/kernel/random.ts'
import { type Attack, sh, type Tool } from './attack.ts'
import { control, everyAttack } from './attacks/every.ts'
import { type Neighbour, neighbour } from './bystanders.ts'
import type { Kind } from './kinds.ts'
import type { Listener } from './listener.ts'
import { type Result, shownEvidence } from './report.ts'
import { planterScript } from './scripts.ts'
import { type Ground, openJobs, tryAttack } from './trial.ts'
import { type HostileVm, openVm, type Programs } from './vm.ts'

export type Trial = Result & { readonly seconds: number }

export type FieldPlan = {
  readonly kind: Kind
  readonly dir: string
  readonly programs: Programs
  readonly clock: Clock
  readonly random: Random
  readonly listener: Listener
  /** In base64; undefined: there is no compiler. */
  readonly library: string | undefined
  /** Tools that this machine lacks, with the reason. */
  readonly missing: ReadonlyMap<Tool, string>
  /** Each VM has a number, and with it user ids, of its own. */
  readonly nextNumber: () => number
  readonly wanted: (name: string) => boolean
  say(line: string): void
}

const atOnce = 4
const sharedAccounts = 60
/** One for the neighbour, one for the planter's place, one for the attack: the next payload gets that one again. */
const loneAccounts = 2

export async function tryAll(plan: FieldPlan): Promise<readonly Trial[]> {
  const attacks = everyAttack.filter(({ name }) => plan.wanted(name))
  const beside = attacks.filter(({ mode }) => mode === undefined)
  const lone = attacks.filter(({ mode }) => mode !== undefined)
  const [first, second] = await Promise.all([tryBeside(plan, beside), tryLone(plan, lone)])
  return [...first, ...second]
}

async function tryBeside(plan: FieldPlan, attacks: readonly Attack[]): Promise<readonly Trial[]> {
  const ground = await openGround(plan, sharedAccounts, true)
  try {
    const trials: Trial[] = [await tryControl(ground)]
    const waiting = [...attacks]
    const work = async (): Promise<void> => {
      for (let attack = waiting.shift(); attack; attack = waiting.shift()) trials.push(await tryOne(plan, attack, ground))
    }
    await Promise.all(Array.from({ length: atOnce }, work))
    return trials
  } finally {
    await ground.vm.close()
  }
}

async function tryLone(plan: FieldPlan, attacks: readonly Attack[]): Promise<readonly Trial[]> {
  const trials: Trial[] = []
  let ground: Ground | undefined
  for (const attack of attacks) {
    // What an attack has spoilt is no excuse for the next one: processes of its own, ended agents, a retired account.
    if (ground && !(await isSound(ground))) {
      await ground.vm.close()
      ground = undefined
    }
    ground ??= await openGround(plan, attack.partner ? loneAccounts + 1 : loneAccounts, false)
    if (attack.partner && ground.vm.accounts <= loneAccounts) {
      await ground.vm.close()
      ground = await openGround(plan, loneAccounts + 1, false)
    }
    const trial = await tryOne(plan, attack, ground)
    trials.push(trial)
    if (trial.reaches.length > 0) {
      await ground.vm.close()
      ground = undefined
    }
  }
  await ground?.vm.close()
  return trials
}

async function tryOne(plan: FieldPlan, attack: Attack, ground: Ground): Promise<Trial> {
  const lacking = (attack.needs ?? []).filter((tool) => plan.missing.has(tool))
  if (lacking.length > 0) {
    return { name: attack.name, notRun: lacking.map((tool) => plan.missing.get(tool)).join('; '), reaches: [], seconds: 0 }
  }
  const { reaches, seconds, text } = await tryAttack(attack, ground)
  plan.say(`${attack.name} wrote: ${shownEvidence(text).slice(0, 600)}`)
  for (const { what, evidence } of reaches) plan.say(`${plan.kind.name} ${attack.name}: ${what}: ${shownEvidence(evidence)}`)
  plan.say(`${plan.kind.name} ${attack.name}: ${reaches.length === 0 ? 'held' : 'reached'} in ${seconds.toFixed(1)} s`)
  return { name: attack.name, reaches, seconds }
}

/** Its output and its datagram must both bring back the canary that it was given. */
async function tryControl(ground: Ground): Promise<Trial> {
  const { text, seconds } = await tryAttack(control, ground)
  const isSeen = /^cn4ry-own[.]/m.test(text) && text.includes('sent: cn4ry-own.') && text.includes('RAN uid=')
  const blind = [{ what: 'blind', evidence: `the control was not seen: ${text.slice(0, 200)}` }]
  return { name: control.name, reaches: isSeen ? [] : blind, seconds }
}

async function isSound({ vm, jobs, neighbour: beside, clock }: Ground): Promise<boolean> {
  if (vm.deaths().length > 0 || beside.isEnded()) return false
  const probe = jobs.submit(sh('exit 0'), 'probe')
  const report = await probe.ended(10_000)
  const isFree = report?.result?.end === 'exited' && report.result.exitCode === 0
  return isFree && (await until(clock, probe.isForgotten, { withinMs: 5000 }))
}

async function openGround(plan: FieldPlan, accounts: number, hasPlanter: boolean): Promise<Ground> {
  const { kind, programs, clock, random, listener, library } = plan
  const number = plan.nextNumber()
  const vm = await openVm({ kind, number, accounts, dir: join(plan.dir, `vm-${number}`), programs, clock, random })
  const jobs = openJobs(vm, clock)
  const beside: Neighbour = neighbour(random)
  const running = jobs.submit(beside.payload, 'neighbours')
  let plantDir = ''
  if (hasPlanter) {
    const planter = jobs.submit(sh(planterScript(library, 1200), { wallMs: 20 * 60_000 }), 'planters')
    plantDir = join(planter.dir, 'home')
    await started(clock, vm, () => existsSync(join(plantDir, 'ready')), 'the planter does not plant')
  }
  await started(clock, vm, () => running.isRunning() && existsSync(join(running.dir, 'home/secret')), 'no neighbour')
  return { vm, jobs, listener, clock, random, plantDir, programsDir: programs.dir, neighbour: running }
}

async function started(clock: Clock, vm: HostileVm, holds: () => boolean, what: string): Promise<void> {
  if (!(await until(clock, holds, { withinMs: 15_000 }))) throw new Error(`${what}: ${vm.console().slice(-2000)}`)
}
