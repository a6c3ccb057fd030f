/**
 * What every bus must do. An adapter's test calls this with a way to open one, as two places of an installation see it: two
 * processes, or one and the same.
 */

import { afterEach, describe, expect, it } from 'vitest'
import { systemClock, until } from '../../core/kernel/clock.ts'
import type { Bus, Hint, HintKind } from '../../core/ports/bus.ts'

export type OpenBus = {
  readonly here: Bus
  readonly there: Bus
  /** Resolves when each place hears what the other one hints from now on. */
  settled(): Promise<void>
  close(): Promise<void>
}

type HintIds = Hint['ids'][number][]

const clock = systemClock()
const withinMs = 10_000

function listenTo(bus: Bus, kind: HintKind): { readonly ids: HintIds; readonly stop: () => void } {
  const ids: HintIds = []
  return { ids, stop: bus.listen(kind, (heard) => void ids.push(...heard)) }
}

export function busContract(name: string, open: () => Promise<OpenBus>): void {
  describe(`bus: ${name}`, () => {
    let opened: OpenBus | undefined

    afterEach(async () => {
      await opened?.close()
      opened = undefined
    })

    async function places(): Promise<OpenBus> {
      opened = await open()
      return opened
    }

    async function idsUpTo({ ids }: { readonly ids: HintIds }, last: string): Promise<HintIds> {
      await until(clock, () => ids.includes(last), { withinMs })
      return ids
    }

    it('brings a hint to every listener of its kind, once, wherever it is', async () => {
      const { here, there, settled } = await places()
      const jobs = [listenTo(here, 'jobs'), listenTo(here, 'jobs'), listenTo(there, 'jobs')]
      const vms = [listenTo(here, 'vms'), listenTo(there, 'vms')]
      await settled()
      here.hint({ kind: 'jobs', ids: [1, 2] })
      here.hint({ kind: 'jobs', ids: ['end'] })
      here.hint({ kind: 'vms', ids: ['vm-1', 'end'] })
      for (const heard of jobs) expect(await idsUpTo(heard, 'end')).toEqual([1, 2, 'end'])
      for (const heard of vms) expect(await idsUpTo(heard, 'end')).toEqual(['vm-1', 'end'])
    })

    it('lets the one who hints go on first', async () => {
      const { here } = await places()
      const heard = listenTo(here, 'clouds')
      here.hint({ kind: 'clouds', ids: ['end'] })
      expect(heard.ids).toEqual([])
      expect(await idsUpTo(heard, 'end')).toEqual(['end'])
    })

    it('brings nothing after a listener has stopped, and goes on with the others', async () => {
      const { here, there, settled } = await places()
      const gone = [listenTo(here, 'waiting'), listenTo(there, 'waiting')]
      const left = [listenTo(here, 'waiting'), listenTo(there, 'waiting')]
      await settled()
      for (const { stop } of gone) stop()
      for (const { stop } of gone) stop()
      here.hint({ kind: 'waiting', ids: ['end'] })
      for (const heard of left) expect(await idsUpTo(heard, 'end')).toEqual(['end'])
      for (const { ids } of gone) expect(ids).toEqual([])
    })

    it('bears hints without ids, and hints that no process waits for', async () => {
      const { here, there, settled } = await places()
      const heard = [listenTo(here, 'jobs'), listenTo(there, 'jobs')]
      await settled()
      here.hint({ kind: 'jobs', ids: [] })
      here.hint({ kind: 'waiting', ids: ['unknown'] })
      here.hint({ kind: 'jobs', ids: ['end'] })
      for (const one of heard) expect(await idsUpTo(one, 'end')).toEqual(['end'])
    })

    it('brings any number of ids', async () => {
      const { here, there, settled } = await places()
      const heard = [listenTo(here, 'jobs'), listenTo(there, 'jobs')]
      await settled()
      const many = Array.from({ length: 20_000 }, (_, at) => at + 1)
      here.hint({ kind: 'jobs', ids: many })
      here.hint({ kind: 'jobs', ids: ['end'] })
      for (const one of heard) expect(await idsUpTo(one, 'end')).toEqual([...many, 'end'])
    })

    it('carries hints of all places at a time', async () => {
      const { here, there, settled } = await places()
      const heard = [listenTo(here, 'vms'), listenTo(there, 'vms')]
      await settled()
      for (let round = 0; round < 200; round += 1) {
        here.hint({ kind: 'vms', ids: [`here-${round}`] })
        there.hint({ kind: 'vms', ids: [`there-${round}`] })
      }
      for (const { ids } of heard) {
        await until(clock, () => ids.length >= 400, { withinMs })
        expect(ids).toHaveLength(400)
        expect(new Set(ids)).toHaveLength(400)
      }
    })
  })
}
