/**
 * The part of the store's contract that is about images: what core decides is kept, once, with its fact, however many ask.
 */

import { describe, expect, it } from 'vitest'
import type { ImageEvent } from '../../core/model/image.ts'
import type { Store } from '../../core/ports/store.ts'
import { sampleEntry } from '../../sim/sample-images.ts'

export function imageTests(fresh: () => Promise<{ readonly store: Store }>): void {
  const added = (name: string): ImageEvent => ({ kind: 'add', entry: sampleEntry({ name }), signature: 's', by: 'ada' })
  const approved = (site: string): ImageEvent => ({ kind: 'approve', name: 'plain', site, by: 'ben' })
  const revoked: ImageEvent = { kind: 'revoke', name: 'plain', by: 'eve', why: 'a hole' }

  describe('images', () => {
    it('are kept as core decides, each change with its fact', async () => {
      const { store } = await fresh()
      expect(await store.images()).toEqual([])
      expect(await store.changeImage(approved('home'), 1000)).toEqual({ ok: false, why: 'not-found' })
      const first = await store.changeImage(added('plain'), 1000)
      expect(first).toMatchObject({ ok: true, changed: true, image: { entry: sampleEntry(), addedMs: 1000 } })
      expect(await store.changeImage(added('plain'), 2000)).toEqual({ ...first, changed: false })
      const other: ImageEvent = { kind: 'add', entry: sampleEntry({ os: 'another' }), signature: 's', by: 'ada' }
      expect(await store.changeImage(other, 2000)).toEqual({ ok: false, why: 'conflict' })
      expect(await store.changeImage(approved('home'), 3000)).toMatchObject({ ok: true, changed: true })
      const last = await store.changeImage(revoked, 4000)
      expect(last).toMatchObject({ image: { phase: { state: 'Revoked', by: 'eve', why: 'a hole', atMs: 4000 } } })
      expect(await store.changeImage(approved('home'), 5000)).toEqual({ ok: false, why: 'revoked' })
      expect(await store.images()).toEqual(last.ok ? [last.image] : [])
      const written = (await store.history('image:plain', 10)).map(({ kind, atMs }) => [kind, atMs])
      expect(written).toEqual([
        ['Added', 1000],
        ['Approved', 3000],
        ['Revoked', 4000],
      ])
      const facts = (await store.facts(0, 10)).filter(({ subject }) => subject === 'image:plain')
      expect(facts.map(({ kind, data }) => [kind, data.by])).toEqual([
        ['Added', 'ada'],
        ['Approved', 'ben'],
        ['Revoked', 'eve'],
      ])
    })

    it('are listed by name, all or some', async () => {
      const { store } = await fresh()
      for (const name of ['plain', 'el9', 'el10']) await store.changeImage(added(name), 1000)
      const names = async (some?: readonly string[]) => (await store.images(some)).map(({ entry }) => entry.name)
      expect(await names()).toEqual(['el10', 'el9', 'plain'])
      expect(await names(['plain', 'none', 'el9', 'plain'])).toEqual(['el9', 'plain'])
      expect(await names([])).toEqual([])
    })

    it('lose no change of several at once, and none comes after a revocation', async () => {
      const { store } = await fresh()
      const adds = await Promise.all(Array.from({ length: 4 }, () => store.changeImage(added('plain'), 1000)))
      expect(adds.filter((one) => one.ok && one.changed)).toHaveLength(1)
      expect(adds.every(({ ok }) => ok)).toBe(true)
      const sites = Array.from({ length: 6 }, (_, at) => `site-${at}`)
      const both = await Promise.all(sites.map((site) => store.changeImage(approved(site), 2000)))
      expect(both.every((one) => one.ok && one.changed)).toBe(true)
      const [all] = await store.images(['plain'])
      expect(all?.phase).toMatchObject({ approvals: sites.map((site) => ({ site })) })
      const events = [approved('late-1'), revoked, approved('late-2')]
      await Promise.all(events.map((event) => store.changeImage(event, 3000)))
      expect((await store.images())[0]?.phase.state).toBe('Revoked')
      const kinds = (await store.history('image:plain', 100)).map(({ kind }) => kind)
      expect(kinds.at(-1)).toBe('Revoked')
      expect(kinds.filter((kind) => kind === 'Added')).toHaveLength(1)
    })
  })
}
