import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  barredWhy,
  changeImage,
  type Image,
  type ImageEvent,
  type ImageRefusal,
  revokedWhy,
} from '../../../core/model/image.ts'
import { checkImageEntry, type ImageEntry, signedText } from '../../../core/model/image-entry.ts'
import { imageLimits } from '../../../core/kernel/limits.ts'
import { parseReference } from '../../../core/model/reference.ts'
import { gatherViolations } from '../../../core/kernel/violations.ts'
import { sampleEntry, sampleImage } from '../../../sim/sample-images.ts'

const add: ImageEvent = { kind: 'add', entry: sampleEntry(), signature: 's', by: 'ada' }
const addOther: ImageEvent = { ...add, entry: sampleEntry({ os: 'debian-13' }) }
const site = (kind: 'approve' | 'disapprove', name = 'home'): ImageEvent => ({ kind, name: 'plain', site: name, by: 'ben' })
const revoke: ImageEvent = { kind: 'revoke', name: 'plain', by: 'eve', why: 'a hole' }

const pasts = {
  absent: undefined,
  Listed: sampleImage([add]),
  Approved: sampleImage([add, site('approve')]),
  'Approved by two': sampleImage([add, site('approve', 'there'), site('approve')]),
  Revoked: sampleImage([add, site('approve'), revoke]),
} as const
type Past = keyof typeof pasts
type Cell = 'Listed' | 'Approved' | 'Revoked' | 'same' | ImageRefusal

describe('the states of an image', () => {
  it.each<[Past, readonly Cell[]]>([
    ['absent', ['Listed', 'Listed', 'not-found', 'not-found', 'not-found']],
    ['Listed', ['same', 'conflict', 'Approved', 'same', 'Revoked']],
    ['Approved', ['same', 'conflict', 'same', 'Listed', 'Revoked']],
    ['Approved by two', ['same', 'conflict', 'same', 'Approved', 'Revoked']],
    ['Revoked', ['same', 'conflict', 'revoked', 'revoked', 'same']],
  ])('%s', (past, cells) => {
    const events = [add, addOther, site('approve'), site('disapprove'), revoke]
    for (const [at, event] of events.entries()) {
      const image = pasts[past]
      const decision = changeImage(image, event, 1, 2000)
      const cell = cells[at]
      if (!decision.ok) expect(decision.why).toBe(cell)
      else if (cell === 'same') expect(decision).toEqual({ ok: true, next: image, changed: false })
      else {
        expect(decision.changed).toBe(true)
        expect(decision.next).toMatchObject({ phase: { state: cell }, changedMs: 2000, signature: 's' })
      }
    }
  })

  it('keeps who approved and who revoked, and why', () => {
    expect(pasts['Approved by two'].phase).toEqual({
      state: 'Approved',
      approvals: [
        { site: 'home', by: 'ben', atMs: 1000 },
        { site: 'there', by: 'ben', atMs: 1000 },
      ],
    })
    expect(pasts.Revoked.phase).toEqual({ state: 'Revoked', by: 'eve', why: 'a hole', atMs: 1000 })
    expect(revokedWhy(pasts.Revoked)).toBe('image revoked: a hole (by eve)')
    expect(revokedWhy(pasts.Approved)).toBe('')
  })

  it('takes no more images and no more sites than it has room for', () => {
    expect(changeImage(undefined, add, imageLimits.images, 1)).toEqual({ ok: false, why: 'too-many' })
    // What is known already needs no room.
    expect(changeImage(pasts.Listed, add, imageLimits.images, 1)).toMatchObject({ ok: true, changed: false })
    const everywhere = Array.from({ length: imageLimits.approvals }, (_, at) => site('approve', `site-${at}`))
    const full = sampleImage([add, ...everywhere])
    expect(changeImage(full, site('approve', 'one-more'), 1, 1)).toEqual({ ok: false, why: 'too-many' })
    expect(changeImage(full, site('approve', 'site-7'), 1, 1)).toMatchObject({ ok: true, changed: false })
  })

  it('never changes what a name stands for, and never takes a revocation back', () => {
    const name = fc.constantFrom('home', 'there', 'else')
    const events = fc.array(
      fc.oneof(
        fc.constantFrom(add, addOther, revoke),
        fc
          .tuple(fc.constantFrom<'approve' | 'disapprove'>('approve', 'disapprove'), name)
          .map(([kind, at]) => site(kind, at)),
      ),
      { maxLength: 30 },
    )
    fc.assert(
      fc.property(events, (past) => {
        let image: Image | undefined
        let revoked = false
        const approved = new Set<string>()
        for (const [at, event] of past.entries()) {
          const decision = changeImage(image, event, 0, at)
          if (!decision.ok) continue
          if (image) expect(decision.next.entry).toBe(image.entry)
          image = decision.next
          revoked ||= event.kind === 'revoke'
          if (event.kind === 'approve') approved.add(event.site)
          if (event.kind === 'disapprove') approved.delete(event.site)
          expect(image.phase.state).toBe(revoked ? 'Revoked' : approved.size > 0 ? 'Approved' : 'Listed')
          if (image.phase.state !== 'Approved') continue
          expect(image.phase.approvals.map((one) => one.site)).toEqual([...approved].sort())
        }
      }),
    )
  })
})

describe('why no VM may be made', () => {
  const place = { cloud: 'here', site: 'home' }
  const checked = (image: Image | undefined, distrust = '') => image && { ...image, distrust }
  const { Listed, Approved, Revoked } = pasts

  it.each<[string, ReturnType<typeof checked>, typeof place, number]>([
    ['image plain is not in the catalogue', undefined, place, 0],
    ['image plain was revoked by eve: a hole', checked(Revoked, 'no trusted key'), place, 10 ** 13],
    ['image plain: no trusted key', checked(Approved, 'no trusted key'), place, 10 ** 13],
    ['image plain is not valid since 2286-11-20T17:46:40.000Z', checked(Approved), place, 10 ** 13],
    ['image plain has no reference for cloud toString', checked(Approved), { ...place, cloud: 'toString' }, 0],
    ['image plain is not approved by site home', checked(Listed), place, 0],
    ['image plain is not approved by site there', checked(Approved), { ...place, site: 'there' }, 0],
    ['', checked(Approved), place, 10 ** 13 - 1],
  ])('%s', (why, image, where, nowMs) => {
    expect(barredWhy('plain', image, where, nowMs)).toBe(why)
  })
})

describe('an entry', () => {
  const wrongIn = (raw: unknown): readonly string[] => {
    const violations = gatherViolations()
    const entry = checkImageEntry(raw, violations)
    try {
      violations.settle('reading an entry')
      expect(entry).toEqual(raw)
      return []
    } catch (error) {
      expect(entry).toBeUndefined()
      return (error as { violations: readonly { path: string }[] }).violations.map(({ path }) => path)
    }
  }

  it('is checked whole', () => {
    expect(wrongIn(sampleEntry())).toEqual([])
    const fields = ['name', 'os', 'architecture', 'endorsedBy', 'digest', 'validUntil', 'references']
    expect(wrongIn({})).toEqual(fields)
    expect(wrongIn('text')).toEqual(fields)
    expect(wrongIn({ ...sampleEntry(), more: 1 })).toEqual(['more'])
    expect(wrongIn(sampleEntry({ digest: `sha256:${'AB'.repeat(32)}` }))).toEqual(['digest'])
    for (const validUntilMs of [0, -1, 1.5, Number.NaN, 10 ** 15])
      expect(wrongIn(sampleEntry({ validUntilMs }))).toEqual(['validUntil'])
    expect(wrongIn(sampleEntry({ references: {} }))).toEqual(['references'])
    expect(wrongIn(sampleEntry({ references: { here: 'image-1', 'a b': 'id:1' } }))).toEqual([
      'references.here',
      'references.a b',
    ])
    expect(wrongIn(sampleEntry({ references: { here: 'name:el9\u202e' } }))).toEqual(['references.here'])
    expect(wrongIn(sampleEntry({ references: { here: `id:${'x'.repeat(imageLimits.referenceLength)}` } }))).toEqual([
      'references.here',
    ])
  })

  it('is signed in one form, whatever the order of its fields', () => {
    const entry = sampleEntry({ references: { north: 'name:EL9', '10': 'id:b', '9': 'id:a' } })
    expect(signedText(entry)).toBe(
      `pilotage image 1\n{"architecture":"x86_64","digest":"sha256:${'ab'.repeat(32)}","endorsedBy":"ops","name":"plain",` +
        '"os":"almalinux-9","references":{"10":"id:b","9":"id:a","north":"name:EL9"},"validUntilMs":10000000000000}',
    )
    fc.assert(
      fc.property(fc.shuffledSubarray(Object.entries(entry), { minLength: 7 }), (members) => {
        expect(signedText(Object.fromEntries(members) as ImageEntry)).toBe(signedText(entry))
      }),
    )
  })

  it('has another form for every other content', () => {
    const texts = fc.dictionary(fc.string({ minLength: 1 }), fc.string(), { minKeys: 1, maxKeys: 3 })
    fc.assert(
      fc.property(texts, texts, fc.string(), fc.string(), (references, others, os, otherOs) => {
        const one = sampleEntry({ references, os })
        const two = sampleEntry({ references: others, os: otherOs })
        const isSame =
          os === otherOs &&
          JSON.stringify(Object.entries(references).sort()) === JSON.stringify(Object.entries(others).sort())
        expect(signedText(one) === signedText(two)).toBe(isSame)
      }),
    )
  })
})

describe('a reference', () => {
  it.each([
    ['id:4f1c', { by: 'id', id: '4f1c' }],
    ['name:AlmaLinux 9: latest', { by: 'name', name: 'AlmaLinux 9: latest' }],
    ['properties:a=b,c=', { by: 'properties', properties: { a: 'b', c: '' } }],
    ['4f1c', undefined],
    ['id:', undefined],
    ['properties:a', undefined],
    ['properties:=b', undefined],
    ['properties:a=b=c,d e=f:g', { by: 'properties', properties: { a: 'b=c', 'd e': 'f:g' } }],
    ['properties:a=b,c', undefined],
    ['properties:a=b,=c', undefined],
    ['properties:a=b,', undefined],
    ['properties:', undefined],
    ['other:a=b', undefined],
    ['an id:4f1c', undefined],
    ['', undefined],
  ])('%s', (text, reference) => {
    expect(parseReference(text)).toEqual(reference)
  })
})
