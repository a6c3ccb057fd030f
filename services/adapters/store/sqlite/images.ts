/** The operations of the embedded store on images: few, small, and none is ever forgotten. */

import { imageFact } from '../../../../core/model/facts.ts'
import { changeImage, type Image, type ImageEvent, imageNameOf } from '../../../../core/model/image.ts'
import type { ImageOutcome } from '../../../../core/ports/store.ts'
import type { Inside } from './engine.ts'
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
  const tell = factWriter(inside)
  return {
    images: (names) =>
      names ? [...new Set(names)].sort().flatMap((name) => one.all(name).map(imageOf)) : all.all().map(imageOf),
    changeImage(event, nowMs) {
      const row = one.get(imageNameOf(event))
      const decision = changeImage(row && imageOf(row), event, Number(count.get()?.n), nowMs)
      if (!decision.ok) return decision
      const { next, changed } = decision
      if (changed) {
        put.run(next.entry.name, JSON.stringify(next))
        tell(imageFact(next, event), nowMs)
      }
      return { ok: true, image: next, changed }
    },
  }
}

export function imageOf(row: Record<string, unknown>): Image {
  return JSON.parse(String(row.doc)) as Image
}
