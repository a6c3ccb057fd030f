/** Pages of a list give every entry once; a token of another listing, or none of ours, is refused. */

import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { pageOf, pageStart, pageToken } from '../../../proto/codec/page-tokens.ts'

test('pages give every entry once, in order', () => {
  fc.assert(
    fc.property(fc.nat({ max: 300 }), fc.integer({ min: 1, max: 50 }), (count, pageSize) => {
      const items = Array.from({ length: count }, (_, at) => at)
      const found: number[] = []
      let pages = 0
      let token = ''
      do {
        const page = pageOf('vms', items, { pageSize, pageToken: token })
        expect(page.isFirst).toBe(pages === 0)
        found.push(...page.items)
        token = page.nextPageToken
        pages += 1
      } while (token !== '')
      expect(found).toEqual(items)
      expect(pages).toBe(Math.max(1, Math.ceil(count / pageSize)))
    }),
  )
})

test.each([pageToken('queues', 5), 'x', 'jobs:5', Buffer.from('jobs:0').toString('base64url'), 'a'.repeat(100_000)])(
  'the token %.40s is refused',
  (token) => expect(() => pageStart('jobs', token)).toThrow('not a page token of this listing'),
)

test('a page of more than the limit is refused', () => {
  expect(() => pageOf('vms', [], { pageSize: 1001, pageToken: '' })).toThrow('a page of 1001')
})
