import { describe, expect, it } from 'vitest'
import { openWorld, type World } from './world.ts'

/** What every VM's context got of the squids of its site, in the order in which they were made. */
const openSite = (count: number): { world: World; contexts: { service: string; squids: readonly string[] }[] } => {
  const contexts: { service: string; squids: readonly string[] }[] = []
  const world = openWorld({
    director: {
      services: [{ service: 'squid', site: 'home', count }],
      render: (config, { service = 'worker' }, squids) => {
        contexts.push({ service, squids })
        return JSON.stringify(config)
      },
    },
  })
  return { world, contexts }
}
const squids = async (world: World): Promise<readonly string[]> =>
  (await world.vms()).flatMap(({ vm }) => (vm.service === 'squid' ? [vm.phase.state] : []))

describe('managed squids', () => {
  it('are there without any job, and are given to every worker that comes after them', async () => {
    const { world, contexts } = openSite(2)
    await world.cycles(5)
    await world.pilots()
    await world.step()
    expect(await squids(world)).toEqual(['Active', 'Active'])
    await world.submit(1)
    await world.next()
    expect(contexts.map(({ service }) => service)).toEqual(['squid', 'squid', 'worker'])
    expect(contexts[2]?.squids.toSorted()).toEqual(['http://10.0.0.1:3128', 'http://10.0.0.2:3128'])
  })

  it('are replaced when they are ill, and not counted on from that moment', async () => {
    const { world, contexts } = openSite(1)
    await world.cycles(5)
    await world.pilots()
    await world.step()
    await world.pilots({ unhealthy: 'squid-gone' })
    await world.submit(1)
    await world.next()
    expect(await squids(world)).toEqual(['Draining', 'Requested'])
    expect(contexts.filter(({ service }) => service === 'worker')).toEqual([{ service: 'worker', squids: [] }])
    await world.pilots()
    await world.cycles(11)
    await world.pilots()
    await world.step()
    expect(await squids(world)).toEqual(['Active'])
  })

  it('learn their new address from the cloud', async () => {
    const { world } = openSite(1)
    await world.cycles(5)
    const [kept] = await world.vms()
    expect(kept?.vm.addresses).toEqual(['10.0.0.1'])
  })
})
