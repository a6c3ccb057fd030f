/** Images on the page of clouds, and as JSON: what may be used where, and why not. */

import { afterEach, expect, it } from 'vitest'
import { openTrust } from '../../../services/images/trust.ts'
import { sampleEntry, sampleKey } from '../../../sim/sample-images.ts'
import { alice } from '../../../sim/samples.ts'
import { openTestDashboard, type TestDashboard } from './test-dashboard.ts'

let dashboard: TestDashboard | undefined
afterEach(() => dashboard?.stop())

it('says of each image whether VMs are made from it, and why not', async () => {
  const ops = sampleKey()
  const use = { cloud: 'here', site: 'home', images: ['plain', 'missing', 'old'] }
  dashboard = await openTestDashboard(undefined, { trust: openTrust(new Map([['ops', ops.publicPem]])), uses: [use] })
  const { store } = dashboard
  for (const name of ['plain', 'old', 'unused']) {
    const entry = sampleEntry({ name })
    await store.changeImage({ kind: 'add', entry, signature: ops.sign(entry), by: 'ada' }, 1000)
  }
  await store.changeImage({ kind: 'approve', name: 'plain', site: 'home', by: 'ada' }, 1000)
  await store.changeImage({ kind: 'revoke', name: 'old', by: 'eve', why: '<b>a hole' }, 1000)
  const token = await dashboard.token(alice)
  const { text } = await dashboard.page('/clouds', await dashboard.signIn(token))
  expect(text).toMatch(/<h2>Images<\/h2>/)
  expect(text).toMatch(/plain<\/th>.*Approved.*home.*here: yes/)
  expect(text).toMatch(/missing<\/th>.*Unknown.*here: image missing is not in the catalogue/)
  expect(text).toMatch(/old<\/th>.*Revoked.*revoked by eve: &lt;b&gt;a hole/)
  expect(text).toMatch(/unused<\/th>.*no cloud is configured with it/)
  const answer = await dashboard.app.inject({ url: '/api/images', headers: { authorization: `Bearer ${token}` } })
  const { images } = answer.json<{ images: readonly Record<string, unknown>[] }>()
  expect(images.map(({ name, state }) => [name, state])).toEqual([
    ['missing', 'Unknown'],
    ['old', 'Revoked'],
    ['plain', 'Approved'],
    ['unused', 'Listed'],
  ])
  expect(images[1]).toMatchObject({ revokedBy: 'eve', revokedWhy: '<b>a hole', digest: sampleEntry().digest })
})
