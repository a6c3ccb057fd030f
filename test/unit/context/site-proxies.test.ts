import { expect, it } from 'vitest'
import type { KeptVm } from '../../../core/model/vm.ts'
import { siteProxies } from '../../../services/context/site-proxies.ts'
import { activeVm } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'
import { noResources } from '../../../core/model/resources.ts'

const squid = (id: string, address: string): KeptVm => ({
  vm: activeVm(id, { service: 'squid', addresses: [address], endByMs: 10 ** 15 }),
  leases: 0,
  used: noResources,
})

const open = (read: () => Promise<readonly KeptVm[]>) => {
  const clock = virtualClock()
  let reads = 0
  const liveVms = () => {
    reads += 1
    return read()
  }
  const configured = (site: string) => (site === 'nowhere' ? undefined : [`http://${site}.example.org:3128`])
  const proxies = siteProxies({ store: { liveVms }, clock, configured, squidSites: new Set(['home', 'nowhere']) })
  return { clock, proxies, reads: () => reads }
}

it('lists those of the configuration, then the squids that serve, and nothing for unknown sites', async () => {
  const { proxies, reads } = open(async () => [squid('a', '10.0.0.1')])
  expect(await proxies('home')).toEqual(['http://home.example.org:3128', 'http://10.0.0.1:3128'])
  expect(await proxies('away')).toEqual(['http://away.example.org:3128'])
  expect(await proxies('nowhere')).toBeUndefined()
  expect(reads()).toBe(1)
})

it('reads once for all who ask in a moment, and again a moment later', async () => {
  let vms = [squid('a', '10.0.0.1')]
  const { clock, proxies, reads } = open(async () => vms)
  await Promise.all(Array.from({ length: 100 }, () => proxies('home')))
  expect(reads()).toBe(1)
  vms = []
  await clock.advance(5000)
  expect(await proxies('home')).toEqual(['http://home.example.org:3128'])
})

it('answers nothing where the store does not, and asks it again', async () => {
  let isAway = true
  const { proxies } = open(async () => {
    if (isAway) throw new Error('away')
    return []
  })
  await expect(proxies('home')).rejects.toThrow('away')
  isAway = false
  expect(await proxies('home')).toEqual(['http://home.example.org:3128'])
})
