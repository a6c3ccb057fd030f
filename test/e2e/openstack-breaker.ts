/**
 * The cheaper of two clouds has an image that no machine can boot. Expected: the configured number of failures opens
 * the breaker; waiting jobs go to the other cloud at once; after the back-off, exactly one machine is tried again.
 */

import type { Breaker } from '../../client/cluster.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../core/kernel/clock.ts'
import { endStates, type Site } from './openstack-site.ts'
import { type Outcome, promised } from './scenario.ts'

export const failures = 3
export const backoffSeconds = 40
export const bootSeconds = 25
/** A boot that fails, and what the service and the cloud need around it. */
const withinMs = 3 * 60_000
/** From the opening to servers in the other cloud: a step of the director, and Nova on a busy machine. */
const elsewhereMs = 30_000

/** closed, or what is not. */
function breakersText(breakers: readonly Breaker[]): string {
  return breakers.map(({ kind, name, state }) => `${kind} ${name}: ${state}`).join('; ') || 'closed'
}

export async function playBreaker(site: Site, deadImage: string): Promise<Outcome> {
  const { stage, guests, admin, user, submit } = site
  const { clock, dir, say } = stage
  const dead = (): number => [...guests.seen.values()].filter(({ image }) => image.id === deadImage).length
  const breaker = async (): Promise<string> =>
    breakersText((await admin.clouds()).clouds.find(({ name }) => name === 'first')?.breakers ?? [])
  const intendedIn = async (cloud: string): Promise<readonly number[]> => {
    const all = [...(await admin.vms()), ...(await admin.vms({ ended: true }))]
    return all.filter((vm) => vm.cloud === cloud).map(({ intendedMs }) => intendedMs)
  }
  const running = async (count: number): Promise<boolean> => {
    const isRunning = async (): Promise<boolean> => {
      let now = 0
      for await (const { state } of user.list({ jobIds })) now += Number(state === 'Running')
      return now === count
    }
    return until(clock, isRunning, { withinMs, everyMs: 500 })
  }

  const jobIds = [...(await submit(failures, 'there', 'breaker'))]
  const opens = await until(clock, async () => (await breaker()).includes('open'), { withinMs, everyMs: 200 })
  const openedMs = clock.nowMs()
  say(`the breaker of the first cloud: ${await breaker()}`)
  const ranElsewhere = await running(failures)
  const elsewhere_ms = Math.max(...(await intendedIn('second'))) - openedMs
  const before = dead()

  jobIds.push(...(await submit(1, 'there', 'breaker')))
  const ranWhileOpen = await running(failures + 1)
  const whileOpen = dead()

  await until(clock, () => clock.nowMs() > openedMs + (backoffSeconds + 2) * 1000, { withinMs, everyMs: 500 })
  jobIds.push(...(await submit(2, 'there', 'breaker')))
  const probed = await until(clock, () => dead() > whileOpen, { withinMs, everyMs: 500 })
  const ranAfter = await running(failures + 3)
  const probes = dead() - whileOpen
  say(`the breaker of the first cloud, after its probe: ${await breaker()}`)
  const last = await breaker()

  writeFileSync(join(dir, 'breaker'), '')
  const done = await endStates(site, jobIds)
  return {
    figures: { failures: before, elsewhere_ms, while_open: whileOpen - before, probes },
    shortfalls: [
      ...promised(
        opens && before === failures,
        `${before} VMs of an image that no machine boots before its breaker was open`,
      ),
      ...promised(ranElsewhere && elsewhere_ms < elsewhereMs, `the other cloud was tried ${elsewhere_ms} ms later`),
      ...promised(ranWhileOpen && whileOpen === before, `${whileOpen - before} VMs of it while the breaker was open`),
      ...promised(probed && probes === 1, `${probes} probes after the back-off`),
      ...promised(ranAfter && last.includes('open'), `after a probe that failed the breaker is ${last}`),
      ...promised(done.get('Done') === jobIds.length, `jobs ended as ${JSON.stringify([...done])}`),
    ],
  }
}
