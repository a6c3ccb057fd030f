/** Weights that operators set: versioned, with a fact, and no change of another is lost. */

import { beforeEach, describe, expect, it } from 'vitest'
import type { Caller } from '../../../core/access/caller.ts'
import { queuesPerSlice } from '../../../core/kernel/limits.ts'
import type { FactStore, QueueSlice, Store } from '../../../core/ports/store.ts'
import { openLedger } from '../../../core/share/ledger.ts'
import { maxWeights, type SharePath } from '../../../core/share/weights.ts'
import { listShares } from '../../../services/accounting/list-shares.ts'
import { setShare, sharesNote, shareWeights } from '../../../services/accounting/share-weights.ts'
import { memoryStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
import { alice, bob, sampleQueue, sampleSpec, sampleSubmission } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const operator: Caller = { owner: { vo: 'ops', group: 'g', owner: 'olga' }, reach: 'any' }
const user: Caller = { owner: alice, reach: 'vo' }
const clock = virtualClock(5000)
let store: Store

beforeEach(() => {
  store = memoryStore()
})

const configured = [{ path: ['a'] as SharePath, weight: 60 }]
const portsOver = (over: Pick<FactStore, 'note' | 'changeNote'> = store) => {
  return { store: over, clock, weights: shareWeights(over, configured) }
}
const set = (path: SharePath, weight: number | undefined, ports = portsOver()) =>
  setShare(ports, operator, { path, weight, reason: 'test' })

describe('a weight', () => {
  it('that was set stands over the configured one, and says who set it', async () => {
    const ports = portsOver()
    expect(await set(['a'], 5, ports)).toEqual({ version: 1, changed: true })
    expect(await set(['a', 'g'], 7, ports)).toEqual({ version: 2, changed: true })
    expect(await set(['a'], 5, ports)).toEqual({ version: 2, changed: false })
    expect([ports.weights.now().of(['a']), ports.weights.now().of(['a', 'g']), ports.weights.version()]).toEqual([5, 7, 2])
    const other = portsOver()
    expect(other.weights.now().of(['a'])).toBe(60)
    await other.weights.read()
    expect(other.weights.now().of(['a'])).toBe(5)
    const facts = await store.history('share:a', 10)
    expect(facts.map(({ kind, data }) => [kind, data])).toEqual([
      ['Weight set', { vo: 'a', group: '', owner: '', version: 1, by: 'olga', weight: 5, why: 'test' }],
    ])
  })

  it('that is taken back is the configured one again', async () => {
    const ports = portsOver()
    await set(['a'], 5, ports)
    expect(await set(['a'], undefined, ports)).toEqual({ version: 2, changed: true })
    expect(await set(['a'], undefined, ports)).toEqual({ version: 2, changed: false })
    expect(ports.weights.now().of(['a'])).toBe(60)
    const last = (await store.history('share:a', 10)).at(-1)
    expect([last?.kind, last?.data]).toEqual([
      'Weight removed',
      { vo: 'a', group: '', owner: '', version: 2, by: 'olga', why: 'test' },
    ])
    await set(['a', 'g'], 2, ports)
    expect((await store.history('share:a/g', 10)).map(({ kind }) => kind)).toEqual(['Weight set'])
  })

  it('of many operators at once: each is there', async () => {
    const paths = Array.from({ length: 10 }, (_, at): SharePath => ['a', `g${at}`])
    const answers = await Promise.all(paths.map((path) => set(path, 3)))
    expect(answers.map(({ version }) => version).toSorted((a, b) => a - b)).toEqual(paths.map((_, at) => at + 1))
    const ports = portsOver()
    await ports.weights.read()
    expect(paths.map((path) => ports.weights.now().of(path))).toEqual(paths.map(() => 3))
  })

  it('is refused where it is none, or of no node, or one of too many, or never gets through', async () => {
    for (const weight of [0, -1, Number.NaN, Infinity, 1e7]) {
      await expect(set(['a'], weight)).rejects.toMatchObject({ code: 'invalid-argument' })
    }
    await expect(set([''], 1)).rejects.toMatchObject({ code: 'invalid-argument' })
    await expect(set(['a', 'b\u001b[2J'], 1)).rejects.toMatchObject({ code: 'invalid-argument' })
    await expect(set(['a', '', 'o'], 1)).rejects.toMatchObject({ code: 'invalid-argument' })
    await expect(set(['a', 'b c'], 1)).rejects.toMatchObject({
      violations: [{ path: 'path', value: 'a/b c', rule: 'not a node' }],
    })
    await expect(set(['a'], 0)).rejects.toMatchObject({
      violations: [{ path: 'weight', value: '0', rule: 'out of range', accepted: '0.001 to 1000000' }],
    })
    const busy = { note: async () => undefined, changeNote: async () => false }
    await expect(set(['a'], 1, portsOver(busy))).rejects.toMatchObject({ code: 'conflict' })
    const full = Array.from({ length: maxWeights }, (_, at) => ({ path: ['b', `g${at}`], weight: 2 }))
    await store.keepNote(sharesNote, JSON.stringify({ version: 9, weights: full }))
    await expect(set(['a'], 1)).rejects.toMatchObject({ code: 'too-large' })
    expect((await set(['b', 'g3'], 4)).version).toBe(10)
  })
})

describe('the tree', () => {
  it('has who waits and who used something; a user sees the own VO', async () => {
    await store.submit(sampleSubmission([sampleSpec(), sampleSpec()]), clock.nowMs())
    const ledger = openLedger(0)
    const past = { vo: 'past', group: 'g', owner: 'o' }
    ledger.charge(past, { attempt: '', cores: 2, ranMs: 10_000 }, clock.nowMs())
    const ports = { store, clock, ledger, weights: shareWeights(store, []), halfLifeMs: 1000 }
    const all = await listShares(ports, operator)
    expect(all.nodes.map(({ path, waiting }) => [path.join('/'), waiting])).toEqual([
      [alice.vo, 2],
      [`${alice.vo}/${alice.group}`, 2],
      [`${alice.vo}/${alice.group}/${alice.owner}`, 2],
      ['past', 0],
      ['past/g', 0],
      ['past/g/o', 0],
    ])
    expect(all.nodes[5]?.usedCoreMs).toBeCloseTo(20_000)
    expect(all.nodes[0]).toMatchObject({ target: 1, used: 0 })
    const own = await listShares(ports, user)
    expect(new Set(own.nodes.map(({ path }) => path[0]))).toEqual(new Set([alice.vo]))
    expect(bob.vo).not.toBe(alice.vo)
  })

  it('lists an owner who waits and has used something once, with the factor and weights as they are set now', async () => {
    await store.submit(sampleSubmission([sampleSpec()]), clock.nowMs())
    const ledger = openLedger(0)
    ledger.charge(alice, { attempt: '', cores: 1, ranMs: 60_000 }, clock.nowMs())
    ledger.charge({ ...alice, owner: 'zoe' }, { attempt: '', cores: 1, ranMs: 60_000 }, 0)
    await set([alice.vo], 7)
    const ports = { store, clock, ledger, weights: shareWeights(store, []), halfLifeMs: 1000 }
    const { nodes, version, halfLifeMs } = await listShares(ports, operator)
    expect(nodes.map(({ path }) => path.join('/'))).toEqual([
      alice.vo,
      `${alice.vo}/${alice.group}`,
      `${alice.vo}/${alice.group}/${alice.owner}`,
      `${alice.vo}/${alice.group}/zoe`,
    ])
    expect([nodes[0]?.weight, version, halfLifeMs]).toEqual([7, 1, 1000])
    expect([nodes[2]?.waiting, Math.round(nodes[2]?.usedCoreMs ?? 0)]).toEqual([1, 60_000])
    expect(nodes.every(({ factor }) => Number.isFinite(factor))).toBe(true)
  })

  it('is of all task queues, however many slices they are read in', async () => {
    const queues = Array.from({ length: 3 * queuesPerSlice }, (_, at) => {
      const queue = sampleQueue({ vo: 'v', group: 'g', owner: `o${at}` })
      return { queue, waiting: 1, topPriority: 0, oldestMs: 0 }
    }).sort((a, b) => (a.queue.id < b.queue.id ? -1 : 1))
    const limits: number[] = []
    const slices = {
      queues: async (of?: QueueSlice) => {
        if (!of || 'ids' in of) throw new Error('all of them are read in slices')
        limits.push(of.limit)
        return queues.filter(({ queue }) => queue.id > of.after).slice(0, of.limit)
      },
    }
    const ports = { store: slices, clock, ledger: openLedger(0), weights: shareWeights(store, []), halfLifeMs: 1000 }
    const { nodes } = await listShares(ports, operator)
    expect(nodes[0]).toMatchObject({ path: ['v'], waiting: queues.length })
    expect(limits).toEqual(Array(4).fill(queuesPerSlice))
  })
})
