/** Weights that operators set: versioned, with a fact, and no change of another is lost. */

import { beforeEach, describe, expect, it } from 'vitest'
import type { Caller } from '../../../core/access/caller.ts'
import type { FactStore, Store } from '../../../core/ports/store.ts'
import { openLedger } from '../../../core/share/ledger.ts'
import { maxWeights, type SharePath } from '../../../core/share/weights.ts'
import { listShares } from '../../../services/accounting/list-shares.ts'
import { setShare, sharesNote, shareWeights } from '../../../services/accounting/share-weights.ts'
import { memoryStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'
import { alice, bob, sampleSpec, sampleSubmission } from '../../../sim/samples.ts'
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
    expect((await store.history('share:a', 10)).at(-1)?.kind).toBe('Weight removed')
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
})
