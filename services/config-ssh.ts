/** The keys of a cloud of kind ssh, under `ssh`, and what the program runs on. */

import { mapping, needed, text } from './config-fields.ts'

export type RawSsh = { endpoint: string }

export const ssh = mapping<RawSsh>({ endpoint: needed(text) })

export type SshConfig = { readonly endpoint: string }

/** `placed`: where a file lies that is named. */
export function compileSsh({ endpoint }: RawSsh, _placed: (file: string) => string): SshConfig {
  return { endpoint }
}
