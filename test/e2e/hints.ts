/**
 * The hints scenario: NATS is stopped for a minute under load. Jobs come in through one API process and run on VMs of
 * another, so that every start hangs on a hint, or on the loops where there is none. Latency is read from the store's own
 * facts.
 */

import type { PilotageClient } from '../../client/pilotage-client.ts'
import { sleep, until } from '../../core/kernel/clock.ts'
import type { Fact } from '../../core/model/fact-shapes.ts'
import { sweepEveryMs as learnEveryMs } from '../../core/kernel/limits.ts'
import { JobSpec } from '../../proto/gen/pilotage/v1/job.ts'
import { localClouds } from '../support/local-service-config.ts'
import { connectAdmin, connectUser } from '../support/service-process.ts'
import { auditStream } from './engines-audit.ts'
import { everyFact } from './engines-facts.ts'
import { openPlant, type Plant } from './engines-plant.ts'
import { type Outcome, percentile, promised, type Scenario, type Stage } from './scenario.ts'

const perSecond = 10
const beforeMs = 20_000
const awayMs = 60_000
const afterMs = 20_000
/** By then everything is as it was before. */
const backWithinMs = 5000
/** A loop's period, and what a loaded machine adds to it: a claim, its commit, and the turn of other processes. */
const loopMs = learnEveryMs + 1500
const patienceMs = 60_000
const vmsGoneMs = 60_000
const mib = 1024 * 1024

const config = {
  director: { interval: '2s', settle: '5s' },
  vm: { idleTimeout: '10s', heartbeatInterval: '5s', heartbeatTimeout: '60s' },
  clouds: localClouds({ maxVms: 2, cores: 8, memory: '8GiB', disk: '8GiB', maxCreatesPerStep: 2 }),
}

export const hints: Scenario = {
  name: 'hints',
  about: `NATS stopped for ${awayMs / 1000} s under ${perSecond} jobs/s over two API processes`,
  async run(stage) {
    const plant = await openPlant(stage, { apis: 2, directors: 1, config, serving: [1] })
    try {
      await plant.serving()
      return await play(stage, plant)
    } finally {
      await plant.close()
    }
  },
}

type Times = { readonly goneMs: number; readonly backMs: number; readonly endMs: number }

async function play(stage: Stage, plant: Plant): Promise<Outcome> {
  const { clock } = stage
  const [server = ''] = plant.server.split(',')
  const admin = connectAdmin(clock, plant, server, patienceMs)
  const user = await connectUser(admin, 'biomed', 'ada')
  try {
    const warm = await user.submit([spec()], { key: 'warm' })
    await untilDone(stage, admin, warm.jobIds.length)
    const over = new AbortController()
    const submitting = submitSteadily(stage, user, over.signal)
    const times = await takeAway(stage, plant).finally(() => over.abort())
    const jobIds = await submitting
    const drained = await untilDone(stage, admin, jobIds.length + 1)
    const { facts, streamed } = await everyFact(stage, plant)
    const { before, away, after } = latencies(facts, new Set(jobIds), times)
    const stream = auditStream(facts, streamed)
    const vmsGone = await until(clock, async () => (await admin.vms()).length === 0, { withinMs: vmsGoneMs, everyMs: 1000 })
    const badly = await plant.stop()
    const usual = percentile(before, 0.95)
    const back = percentile(after, 0.95)
    const worst = Math.max(...away)
    return {
      figures: {
        jobs: jobIds.length,
        before_p95_ms: usual,
        away_p50_ms: percentile(away, 0.5),
        away_most_ms: worst,
        after_p95_ms: back,
        ...stream.figures,
      },
      shortfalls: [
        ...promised(drained, 'not all jobs ended'),
        ...promised(vmsGone, 'not all VMs went when there was nothing left to do'),
        ...promised(Math.min(before.length, away.length, after.length) >= perSecond * 5, 'too few jobs to judge by'),
        ...promised(worst <= loopMs, `without NATS a job waited ${worst} ms, the loops' period is ${learnEveryMs} ms`),
        ...promised(
          back <= Math.max(3 * usual, 500),
          `${backWithinMs / 1000} s after NATS came back p95 was ${back} ms, ${usual} ms before`,
        ),
        ...badly,
        ...stream.shortfalls,
      ],
    }
  } finally {
    for (const client of [admin, user]) client.close()
  }
}

async function takeAway({ clock, say }: Stage, { nats }: Plant): Promise<Times> {
  await sleep(clock, beforeMs)
  await nats.quit()
  const goneMs = clock.nowMs()
  say('NATS is stopped')
  await sleep(clock, awayMs)
  await nats.start()
  const backMs = clock.nowMs()
  say('NATS is there again')
  await sleep(clock, backWithinMs + afterMs)
  return { goneMs, backMs, endMs: clock.nowMs() }
}

function spec(): JobSpec {
  return JobSpec.fromPartial({
    name: 'hinted',
    executable: '/bin/true',
    requirements: { cores: { min: 1, max: 1 }, memoryBytes: 32 * mib, diskBytes: mib, wallMs: 60_000 },
  })
}

async function submitSteadily({ clock }: Stage, user: PilotageClient, over: AbortSignal): Promise<readonly number[]> {
  const pending: Promise<{ readonly jobIds: readonly number[] }>[] = []
  const beganMs = clock.monotonicMs()
  while (!over.aborted) {
    const due = Math.floor(((clock.monotonicMs() - beganMs) * perSecond) / 1000)
    while (pending.length < due) {
      const answer = user.submit([spec()], { key: `hint-${pending.length}` })
      answer.catch(() => {})
      pending.push(answer)
    }
    await sleep(clock, 1000 / perSecond, over)
  }
  return (await Promise.all(pending)).flatMap(({ jobIds }) => jobIds)
}

function untilDone({ clock }: Stage, admin: PilotageClient, count: number): Promise<boolean> {
  const isDone = async (): Promise<boolean> => {
    const { jobs } = await admin.status()
    return jobs.filter(({ state }) => state === 'Done').reduce((sum, one) => sum + one.count, 0) >= count
  }
  return until(clock, isDone, { withinMs: 60_000, everyMs: 500 })
}

/** From the submission to the match, by when the job was submitted; what lies across a border belongs to neither side. */
function latencies(facts: readonly Fact[], jobIds: ReadonlySet<number>, { goneMs, backMs, endMs }: Times) {
  const submitted = new Map<string, number>()
  const waits: { readonly fromMs: number; readonly ms: number }[] = []
  for (const { subject, kind, atMs } of facts) {
    if (kind === 'Submitted') submitted.set(subject.slice('submission:'.length), atMs)
    const id = subject.slice('job:'.length)
    if (kind === 'Matched' && jobIds.has(Number(id))) {
      const fromMs = submitted.get(id) ?? atMs
      waits.push({ fromMs, ms: atMs - fromMs })
    }
  }
  const between = (from: number, to: number): readonly number[] =>
    waits.filter(({ fromMs }) => fromMs >= from && fromMs < to).map(({ ms }) => ms)
  return {
    before: between(goneMs - beforeMs + 5000, goneMs - 1000),
    away: between(goneMs, backMs - loopMs),
    after: between(backMs + backWithinMs, endMs),
  }
}
