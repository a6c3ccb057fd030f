/** The keys of a cloud of kind ec2, under `ec2`, and what the program runs on. */

import { mapping, needed, text } from './config-fields.ts'

export type RawEc2 = { endpoint: string }

export const ec2 = mapping<RawEc2>({ endpoint: needed(text) })

export type Ec2Config = { readonly endpoint: string }

/** `placed`: where a file lies that is named. */
export function compileEc2({ endpoint }: RawEc2, _placed: (file: string) => string): Ec2Config {
  return { endpoint }
}
