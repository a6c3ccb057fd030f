/** One stream per VM: the newest one gets the hints, and an older one that ends takes nothing from it. */

import { expect, it } from 'vitest'
import type { VmId } from '../../../core/kernel/ids.ts'
import type { Bus } from '../../../core/ports/bus.ts'
import { openStreams } from '../../../services/matcher/pilot-streams.ts'

const [a, b] = ['vm-aaaaaaaaaa', 'vm-bbbbbbbbbb'] as [VmId, VmId]

it('a hint reaches the newest stream of each VM that it names', () => {
  let hinted: (ids: readonly (string | number)[]) => void = () => {}
  const heard: string[] = []
  const bus = {
    listen: (kind: string, listener: typeof hinted) => {
      expect(kind).toBe('vms')
      hinted = listener
    },
  } as unknown as Bus
  const streams = openStreams(bus)
  const stream = (name: string) => ({
    look: () => void heard.push(name),
    replaced: () => void heard.push(`${name} replaced`),
    peek: () => void heard.push(`${name} peeked`),
    running: () => [],
  })
  const [first, second, other] = [stream('first'), stream('second'), stream('other')]
  streams.enter(a, first)
  streams.enter(b, other)
  hinted([a, 'vm-unknown00', b])
  expect(heard.splice(0)).toEqual(['first', 'other'])
  streams.enter(a, second)
  expect(heard.splice(0)).toEqual(['first replaced'])
  // The end of the replaced one comes late.
  streams.leave(a, first)
  hinted([a])
  expect(heard.splice(0)).toEqual(['second'])
  streams.leave(a, second)
  hinted([a, b])
  expect(heard).toEqual(['other'])
})
