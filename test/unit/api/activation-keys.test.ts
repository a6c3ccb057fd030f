/** Guesses of activation keys cost the store next to nothing, and never keep a right key out. */

import { describe, expect, it } from 'vitest'
import type { VmId } from '../../../core/kernel/ids.ts'
import { silentLog } from '../../../core/ports/log.ts'
import { activationKeys, guessesPerAddress } from '../../../services/api/grpc/activation-keys.ts'
import { hashed } from '../../../services/vms/activate.ts'
import { sampleVm } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'
import { noResources } from '../../../core/model/resources.ts'

const vmId = (name: string): VmId => sampleVm(name).id

function world() {
  const clock = virtualClock()
  const vms: ReturnType<typeof sampleVm>[] = []
  const counts = { reads: 0, blames: 0, lines: 0 }
  const store = {
    async liveVms() {
      counts.reads += 1
      return vms.map((vm) => ({ vm, leases: 0, used: noResources }))
    },
  }
  const log = {
    ...silentLog(),
    warn: () => {
      counts.lines += 1
    },
  }
  const guesses = guessesPerAddress(clock, activationKeys({ store, clock }), log)
  const from = (address: string) => ({
    address,
    blame: () => {
      counts.blames += 1
    },
  })
  const make = (name: string, key: string): void => {
    vms.push(sampleVm(name, { activation: { keyHash: hashed(key), untilMs: 1e15 } }))
  }
  /** What becomes of an activation within `ms`. */
  async function outcome(id: VmId, key: string, address = '10.0.0.1', ms = 2000): Promise<string> {
    let how = 'waiting'
    guesses.check(id, key, from(address)).then(
      () => {
        how = 'let through'
      },
      (error: { code: string }) => {
        how = error.code
      },
    )
    await clock.advance(ms)
    return how
  }
  return { clock, counts, guesses, from, make, outcome }
}

describe('activation keys', () => {
  it('of living VMs are let through, also one that was made since the last look', async () => {
    const here = world()
    here.make('one', 'key-one')
    expect(await here.outcome(vmId('one'), 'key-one')).toBe('let through')
    here.make('two', 'key-two')
    expect(await here.outcome(vmId('two'), 'key-two')).toBe('let through')
    expect(await here.outcome(vmId('one'), 'key-two')).toBe('unauthenticated')
    expect(await here.outcome(vmId('none'), 'key-one')).toBe('unauthenticated')
  })

  it('are looked for in the store once per second, however many are guessed', async () => {
    const here = world()
    here.make('one', 'key-one')
    const all: Promise<unknown>[] = []
    for (let at = 0; at < 20_000; at += 1) {
      const address = `10.0.${at % 200}.1`
      all.push(here.guesses.check(vmId('one'), `guess-${at}`, here.from(address)).catch((error: unknown) => error))
      if (at % 2000 === 1999) await here.clock.advance(1000)
    }
    await here.clock.advance(5000)
    await Promise.all(all)
    expect(here.counts.reads).toBeLessThanOrEqual(12)
    expect(here.counts.blames).toBe(20_000)
    // Far fewer lines than guesses.
    expect(here.counts.lines).toBeLessThanOrEqual(200)
  })

  it('that are wrong are refused at once above a rate, per address, and a right one never', async () => {
    const here = world()
    here.make('one', 'key-one')
    expect(await here.outcome(vmId('one'), 'key-one')).toBe('let through')
    const guessed: string[] = []
    for (let at = 0; at < 60; at += 1) guessed.push(await here.outcome(vmId('one'), `guess-${at}`, '10.0.0.9', 1))
    await here.clock.advance(2000)
    expect(guessed.at(-1)).toBe('waiting')
    for (let at = 0; at < 60; at += 1) guessed.push(await here.outcome(vmId('one'), `more-${at}`, '10.0.0.9', 1))
    expect(guessed.at(-1)).toBe('overloaded')
    expect(await here.outcome(vmId('one'), 'key-one', '10.0.0.9', 0)).toBe('let through')
    expect(await here.outcome(vmId('one'), 'other', '10.0.0.8')).toBe('unauthenticated')
  })

  it('that are longer than any are not even hashed', async () => {
    const here = world()
    here.make('one', 'x'.repeat(257))
    expect(await here.outcome(vmId('one'), 'x'.repeat(257), '10.0.0.1', 0)).toBe('unauthenticated')
    expect(here.counts.reads).toBe(0)
  })
})
