/** Whom an installation trusts to endorse images: keys under `images`, each public and with a name of its own. */

import type { Violations } from '../../core/kernel/violations.ts'
import { list, mapping, name, needed, optional, type Read, text } from './fields.ts'

type Trusted = { readonly name: string; readonly file: string }

export const images = mapping({
  trusted: optional(list(mapping({ name: needed(name), file: needed(text) }), 100), []),
})

type RawImages = Read<typeof images>

export type ImagesConfig = { readonly trusted: readonly Trusted[] }

export function checkImages({ trusted }: RawImages, violations: Violations): void {
  const names = trusted.map((one) => one.name)
  names.forEach((one, at) => {
    if (names.indexOf(one) !== at) violations.add(`images.trusted[${at}].name`, one, 'used twice', 'a name of its own')
  })
}

/** `placed`: where a file lies that is named. */
export function compileImages({ trusted }: RawImages, placed: (file: string) => string): ImagesConfig {
  return { trusted: trusted.map((one) => ({ name: one.name, file: placed(one.file) })) }
}
