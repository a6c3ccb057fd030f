/** The part of the store's contract that is about notes: the last text of a name, and changes from what it was. */

import { describe, expect, it } from 'vitest'
import type { Store } from '../../core/ports/store.ts'

export function noteTests(fresh: () => Promise<{ readonly store: Store }>): void {
  const n = 100
  describe('notes', () => {
    it('keeps a note until the next of its name', async () => {
      const { store } = await fresh()
      expect(await store.note('x')).toBeUndefined()
      await store.keepNote('x', '1')
      await store.keepNote('x', '2')
      expect(await store.note('x')).toBe('2')
    })

    it('changes a note only from what it was, and with its facts or not at all', async () => {
      const { store } = await fresh()
      const fact = (n: number) => ({ subject: 'cloud:here' as const, kind: 'changed', data: { n } })
      const change = (was: string | undefined, text: string, n: number) =>
        store.changeNote({ name: 'y', was, text }, [fact(n)], 1000)
      expect(await change('0', '1', 1)).toBe(false)
      expect(await store.note('y')).toBeUndefined()
      expect(await change(undefined, '1', 2)).toBe(true)
      expect(await change(undefined, '2', 3)).toBe(false)
      expect(await change('1', '2', 4)).toBe(true)
      expect(await store.note('y')).toBe('2')
      expect((await store.facts(-1, n)).map(({ data }) => data.n)).toEqual([2, 4])
    })

    it('lets one of many who change a note at once', async () => {
      const { store } = await fresh()
      await store.keepNote('z', '0')
      const each = Array.from({ length: 8 }, (_, at) =>
        store.changeNote({ name: 'z', was: '0', text: String(at + 1) }, [], 1000),
      )
      const done = await Promise.all(each)
      expect(done.filter((isDone) => isDone)).toHaveLength(1)
      expect(await store.note('z')).toBe(String(done.indexOf(true) + 1))
    })
  })
}
