/** The keys of a cloud of kind opennebula, under `opennebula`, and what the program runs on. */

import { mapping, needed, text } from './config-fields.ts'

export type RawOpenNebula = { endpoint: string }

export const opennebula = mapping<RawOpenNebula>({ endpoint: needed(text) })

export type OpenNebulaConfig = { readonly endpoint: string }

/** `placed`: where a file lies that is named. */
export function compileOpenNebula({ endpoint }: RawOpenNebula, _placed: (file: string) => string): OpenNebulaConfig {
  return { endpoint }
}
