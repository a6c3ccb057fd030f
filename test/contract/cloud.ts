/**
 * What every cloud driver must do. A driver's test calls this with a way to open a harness around it.
 *
 * Knows only the port: a harness brings orders that its cloud accepts, and provokes what its cloud can be made to do. What a
 * harness cannot do it names in `skips`, by the test's name and with the reason, which is printed. Each test destroys what
 * it made.
 */

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock, until } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import { isVmId } from '../../core/kernel/ids.ts'
import { consoleBytes } from '../../core/kernel/limits.ts'
import type { Cloud, VmOrder } from '../../core/ports/cloud.ts'
import type { CloudVm } from '../../core/model/cloud.ts'

/**
 * How a machine that is ordered behaves: stays up, ends soon by itself, or writes 100 KiB and then `words` on its console.
 */
export type MachineLife = { readonly ends?: boolean; readonly words?: string }

export type CloudHarness = {
  readonly cloud: Cloud
  /** For the smallest machine, with a VM id that was never used. */
  order(life?: MachineLife): VmOrder
  /** Also proves that nothing is left of any machine. */
  close(): Promise<void>
  /** By the test's name: why this cloud cannot be tested for it. */
  readonly skips?: Readonly<Partial<Record<CloudTestName, string>>>
  /** From its call on. Each is needed unless its test is skipped. */
  readonly provoke?: {
    /** The next create meets a full quota. */
    fullQuota?(): Promise<void>
    /** The cloud cannot list all of its VMs. */
    brokenList?(): Promise<void>
    /** The cloud accepts connections and answers nothing. */
    silence?(): Promise<void>
    /** An order that names what the cloud does not have. */
    impossibleOrder?(): VmOrder
  }
}

export type CloudTestName =
  | 'makes a VM and lists it with our id'
  | 'brings a VM up'
  | 'makes one VM for one id, however often it is asked'
  | 'makes one VM for one id asked for at once'
  | 'lists all of several VMs'
  | 'ends a VM when asked until it says gone, and forgets it'
  | 'says gone of a VM that never was'
  | 'does not list a VM as running that ended by itself'
  | 'hands on the end of the console'
  | 'has an empty console for a VM that never was'
  | 'reports its quota'
  | 'refuses what is over the quota, and makes nothing'
  | 'refuses an order that will never do'
  | 'throws rather than listing a part of its VMs'
  | 'gives up on a silent cloud'

type Test = (harness: CloudHarness) => Promise<void>

/** How long a cloud may take for what it does by itself. */
type Patience = { readonly withinMs: number; readonly everyMs: number }

export function cloudContract(
  name: string,
  open: () => Promise<CloudHarness>,
  patience: Patience = { withinMs: 5000, everyMs: 20 },
): void {
  describe(`cloud: ${name}`, () => {
    let harness: CloudHarness
    beforeEach(async () => {
      harness = await open()
    })
    afterEach(() => harness.close())

    for (const [test, run] of Object.entries({ ...makingTests(patience), ...endingTests(patience), ...failingTests() })) {
      it(test, { timeout: 4 * patience.withinMs }, async (context) => {
        const why = harness.skips?.[test as CloudTestName]
        if (why !== undefined) {
          console.info(`skipped: cloud ${name} ${test}: ${why}`)
          context.skip(why)
        }
        await run(harness)
      })
    }
  })
}

type Tests = Partial<Record<CloudTestName, Test>>

function makingTests(patience: Patience): Tests {
  return {
    'makes a VM and lists it with our id': async ({ cloud, order }) => {
      const { vmId, ...rest } = order()
      expect(isVmId(vmId)).toBe(true)
      const { ref } = await cloud.create({ vmId, ...rest })
      expect(ref).not.toBe('')
      const [vm, ...others] = await cloud.list()
      expect(others).toEqual([])
      expect(vm).toMatchObject({ ref, vmId, power: expect.stringMatching(/^(building|running)$/) })
      // Of one that runs there is nothing to say.
      if (vm?.power === 'running') expect(vm).toMatchObject({ detail: '' })
      expect(Math.abs((vm?.createdMs ?? 0) - systemClock().nowMs())).toBeLessThan(patience.withinMs + 60_000)
      await end(cloud, ref, patience)
    },

    'brings a VM up': async ({ cloud, order }) => {
      const { ref } = await cloud.create(order())
      expect(await waitFor(cloud, ref, patience, (vm) => vm?.power === 'running')).toBe(true)
      await end(cloud, ref, patience)
    },

    'makes one VM for one id, however often it is asked': async ({ cloud, order }) => {
      const once = order()
      const { ref } = await cloud.create(once)
      expect(await cloud.create(once)).toEqual({ ref })
      await waitFor(cloud, ref, patience, (vm) => vm?.power === 'running')
      expect(await cloud.create(once)).toEqual({ ref })
      expect(await cloud.list()).toHaveLength(1)
      await end(cloud, ref, patience)
    },

    'makes one VM for one id asked for at once': async ({ cloud, order }) => {
      const once = order()
      const answers = await Promise.all([once, once, once].map((each) => cloud.create(each)))
      const refs = new Set(answers.map(({ ref }) => ref))
      expect(refs.size).toBe(1)
      expect(await cloud.list()).toHaveLength(1)
      for (const ref of refs) await end(cloud, ref, patience)
    },

    'lists all of several VMs': async ({ cloud, order }) => {
      const orders = [order(), order(), order()]
      const made = await Promise.all(orders.map(async (each) => ({ vmId: each.vmId, ref: (await cloud.create(each)).ref })))
      const listed = (await cloud.list()).map(({ vmId, ref }) => ({ vmId, ref }))
      expect(new Set(listed.map(({ ref }) => ref)).size).toBe(3)
      expect(listed).toEqual(expect.arrayContaining(made))
      for (const { ref } of made) await end(cloud, ref, patience)
      expect(await cloud.list()).toEqual([])
    },

    'reports its quota': async ({ cloud }) => {
      for (const figure of Object.values(await cloud.quota())) {
        expect(figure).toBeGreaterThanOrEqual(0)
        expect(figure === Infinity || Number.isInteger(figure)).toBe(true)
      }
    },
  }
}

function endingTests(patience: Patience): Tests {
  return {
    'ends a VM when asked until it says gone, and forgets it': async ({ cloud, order }) => {
      const { ref } = await cloud.create(order())
      await end(cloud, ref, patience)
      expect(await cloud.list()).toEqual([])
      expect(await cloud.destroy(ref)).toBe('gone')
    },

    'says gone of a VM that never was': async ({ cloud, order }) => {
      const { ref } = await cloud.create(order())
      await end(cloud, ref, patience)
      // The reference has the cloud's own form, whatever that is, and stands for nothing.
      const never = ref.replace(/[a-z0-9](?=[^a-z0-9]*$)/, (last) => (last === '2' ? '3' : '2'))
      expect(await cloud.destroy(never)).toBe('gone')
      expect(await cloud.destroy('../no/such ref')).toBe('gone')
    },

    'does not list a VM as running that ended by itself': async ({ cloud, order }) => {
      const { ref } = await cloud.create(order({ ends: true }))
      const isOver = (vm: CloudVm | undefined): boolean => vm === undefined || vm.power === 'stopped'
      expect(await waitFor(cloud, ref, patience, isOver)).toBe(true)
      await end(cloud, ref, patience)
      expect(await cloud.list()).toEqual([])
    },

    'hands on the end of the console': async ({ cloud, order }) => {
      const words = 'these are the last words'
      const { ref } = await cloud.create(order({ words }))
      const holds = async (): Promise<boolean> => (await cloud.consoleLog(ref)).includes(words)
      expect(await until(systemClock(), holds, patience)).toBe(true)
      expect(Buffer.byteLength(await cloud.consoleLog(ref))).toBeLessThanOrEqual(consoleBytes)
      await end(cloud, ref, patience)
    },

    'has an empty console for a VM that never was': async ({ cloud }) => {
      expect(await cloud.consoleLog('no-such-ref')).toBe('')
    },
  }
}

function failingTests(): Tests {
  return {
    'refuses what is over the quota, and makes nothing': async ({ cloud, order, provoke }) => {
      await needed(provoke?.fullQuota, 'fullQuota')()
      expect(await codeOf(cloud.create(order()))).toBe('cloud-quota')
      expect(await cloud.list()).toEqual([])
    },

    'refuses an order that will never do': async ({ cloud, provoke }) => {
      expect(await codeOf(cloud.create(needed(provoke?.impossibleOrder, 'impossibleOrder')()))).toBe('cloud-refused')
      expect(await cloud.list()).toEqual([])
    },

    'throws rather than listing a part of its VMs': async ({ cloud, provoke }) => {
      await needed(provoke?.brokenList, 'brokenList')()
      expect(await codeOf(cloud.list())).toBe('cloud-transient')
    },

    'gives up on a silent cloud': async ({ cloud, order, provoke }) => {
      await needed(provoke?.silence, 'silence')()
      const calls = [cloud.create(order()), cloud.list(), cloud.destroy('any'), cloud.quota()]
      expect(await Promise.all(calls.map(codeOf))).toEqual(calls.map(() => 'cloud-transient'))
    },
  }
}

/** Asks as the director does: again and again until the cloud says gone. */
async function end(cloud: Cloud, ref: string, patience: Patience): Promise<void> {
  expect(await until(systemClock(), async () => (await cloud.destroy(ref)) === 'gone', patience)).toBe(true)
}

function waitFor(
  cloud: Cloud,
  ref: string,
  patience: Patience,
  holds: (vm: CloudVm | undefined) => boolean,
): Promise<boolean> {
  return until(systemClock(), async () => holds((await cloud.list()).find((vm) => vm.ref === ref)), patience)
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'none'
  } catch (error) {
    if (error instanceof PilotageError) return error.code
    throw error
  }
}

function needed<T>(provoke: T | undefined, what: string): T {
  if (provoke === undefined) throw new Error(`the harness must provoke ${what} or skip this test with a reason`)
  return provoke
}
