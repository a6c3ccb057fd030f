/** Jobs on a VM of the suite, as a service assigns them: sent, waited for, stopped, and what they wrote. */

import { join } from 'node:path'
import { type Clock, until } from '../../core/kernel/clock.ts'
import type { Report } from '../../proto/gen/pilotage/v1/vm.ts'
import { assignment } from '../unit/agents/fake-service.ts'
import { mib, task } from '../unit/agents/tasks.ts'
import { defaultWallMs, type Payload } from './attack.ts'
import type { HostileVm } from './vm.ts'

export type Job = {
  readonly jobId: number
  /** What the pilot makes for it. */
  readonly dir: string
  /** Whether the pilot has said that it runs. */
  isRunning(): boolean
  stop(): void
  /** Its last report; undefined: none came within `withinMs`. */
  ended(withinMs: number): Promise<Report | undefined>
  isEnded(): boolean
  /** Whether the pilot has removed its directory. */
  isForgotten(): boolean
  output(): string
}

export type Jobs = {
  /** Numbers are given in order: the next one is known beforehand, as it is to an attacker. */
  readonly nextDir: (ahead?: number) => string
  submit(payload: Payload, vo: string): Job
}

export function jobsOf(vm: HostileVm, clock: Clock, isThere: (path: string) => boolean): Jobs {
  let lastId = 100
  const dirOf = (jobId: number): string => join(vm.paths.work, 'work', `${jobId}.1`)

  function submit(payload: Payload, vo: string): Job {
    lastId += 1
    const jobId = lastId
    const {
      executable,
      arguments: words,
      environment,
      memoryBytes = 256 * mib,
      diskBytes = 64 * mib,
      wallMs = defaultWallMs,
    } = payload
    const wish = { jobId, executable, arguments: words, environment, memoryBytes, diskBytes, wallMs }
    vm.service.send({ assignments: [assignment({ ...task(wish), vo, owner: `user-of-${vo}` })] })
    const report = (phase: string): Report | undefined => vm.service.reports(phase).find((one) => one.jobId === jobId)
    const dir = dirOf(jobId)
    return {
      jobId,
      dir,
      isRunning: () => report('running') !== undefined,
      isEnded: () => report('ended') !== undefined,
      stop: () =>
        vm.service.send({ commands: [{ kind: 'stop', output: '', jobId, attempt: 1, reason: 'the suite stops it' }] }),
      async ended(withinMs) {
        await until(clock, () => report('ended') !== undefined || vm.deaths().length > 0, { withinMs, everyMs: 10 })
        return report('ended')
      },
      isForgotten: () => !isThere(dir),
      output: () => ['stdout', 'stderr'].map((name) => vm.service.outputs.get(`${jobId}.1 ${name}`) ?? '').join('\n'),
    }
  }

  return { nextDir: (ahead = 1) => dirOf(lastId + ahead), submit }
}
