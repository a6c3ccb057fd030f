/** The keys of a cloud of kind openstack, under `openstack`, and what the program runs on. */

import { mapping, needed, text } from './config-fields.ts'

export type RawOpenStack = { endpoint: string }

export const openstack = mapping<RawOpenStack>({ endpoint: needed(text) })

export type OpenStackConfig = { readonly endpoint: string }

/** `placed`: where a file lies that is named. */
export function compileOpenStack({ endpoint }: RawOpenStack, _placed: (file: string) => string): OpenStackConfig {
  return { endpoint }
}
