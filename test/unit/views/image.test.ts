/** One view of an image for every edge: what the gRPC messages and the dashboard show of it is made here. */

import { describe, expect, it } from 'vitest'
import type { ImageEvent } from '../../../core/model/image.ts'
import { imageOfWire, imageToWire } from '../../../proto/codec/operate.ts'
import { imageView } from '../../../services/views/image.ts'
import { sampleEntry, sampleImage } from '../../../sim/sample-images.ts'

const entry = sampleEntry({ references: { here: 'id:image-1', there: 'name:plain' } })
const add: ImageEvent = { kind: 'add', entry, signature: 'signed', by: 'ada' }
const approve = (site: string): ImageEvent => ({ kind: 'approve', name: 'plain', site, by: 'ben' })
const revoke: ImageEvent = { kind: 'revoke', name: 'plain', by: 'eve', why: 'a hole' }
const uses = [{ cloud: 'here', site: 'home', why: 'not yet' }]

const notRevoked = { revokedBy: '', revokedWhy: '', revokedMs: 0 }
const added = { entry, signature: 'signed', addedBy: 'ada', addedMs: 1000 }
const approval = (site: string) => ({ site, by: 'ben', atMs: 1000 })

const cases: readonly (readonly [state: string, past: readonly ImageEvent[], seen: object])[] = [
  ['Listed', [add], { ...added, ...notRevoked, approvals: [] }],
  ['Approved', [add, approve('home'), approve('away')], { ...added, approvals: [approval('away'), approval('home')] }],
  [
    'Revoked',
    [add, approve('home'), revoke],
    { ...added, approvals: [], revokedBy: 'eve', revokedWhy: 'a hole', revokedMs: 1000 },
  ],
]

describe('an image as every edge shows it', () => {
  it.each(cases)('%s', (state, past, seen) => {
    const listed = { name: 'plain', image: { ...sampleImage(past), distrust: 'its endorser ops is not trusted' }, uses }
    const view = imageView(listed)
    const message = imageOfWire(imageToWire(view))
    const common = { name: 'plain', state, distrust: 'its endorser ops is not trusted' }
    expect(message).toMatchObject({ ...common, uses: [{ cloud: 'here', site: 'home', barred: 'not yet' }], ...seen })
    // The dashboard's JSON is the view: flat, with the names of the sites beside their approvals.
    expect(view).toMatchObject({ ...entry, ...common, uses, sites: view.approvals.map(({ site }) => site) })
  })

  it('Unknown: only its name and where it is used', () => {
    const view = imageView({ name: 'missing', uses })
    const nothing = { entry: undefined, signature: '', distrust: '', approvals: [], addedBy: '', addedMs: 0 }
    expect(view).toEqual({ name: 'missing', state: 'Unknown', distrust: '', sites: [], approvals: [], uses })
    expect(imageOfWire(imageToWire(view))).toMatchObject({ name: 'missing', state: 'Unknown', ...nothing, ...notRevoked })
  })
})
