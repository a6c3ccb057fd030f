/** The operations of the embedded store on images: few, small, and none is ever forgotten. */

import { applyToImage } from '../../../../core/model/apply.ts'
import { type Image, type ImageEvent, imageNameOf } from '../../../../core/model/image.ts'
import type { ImageOutcome } from '../../../../core/ports/store.ts'
import type { Inside } from './inside.ts'
import { factWriter } from './facts.ts'

export type ImageOperations = {
  images(names?: readonly string[]): readonly Image[]
  changeImage(event: ImageEvent, nowMs: number): ImageOutcome
}

export function imageOperations(inside: Inside): ImageOperations {
  const { db } = inside
  const all = db.prepare('select doc from images order by name')
  const one = db.prepare('select doc from images where name = ?')
  const count = db.prepare('select count(*) as n from images')
  const put = db.prepare('insert or replace into images (name, doc) values (?, ?)')
  const emit = factWriter(inside)
  return {
    images: (names) =>
      names ? [...new Set(names)].sort().flatMap((name) => one.all(name).map(imageOf)) : all.all().map(imageOf),
    changeImage(event, nowMs) {
      const row = one.get(imageNameOf(event))
      const known = Number(count.get()?.n)
      const { outcome, changed, fact } = applyToImage(row && imageOf(row), event, known, nowMs)
      if (changed) put.run(changed.entry.name, JSON.stringify(changed))
      if (fact) emit(fact, nowMs)
      return outcome
    },
  }
}

export function imageOf(row: Record<string, unknown>): Image {
  return JSON.parse(String(row.doc)) as Image
}
