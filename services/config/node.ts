/**
 * The key `context.agents.node`: which Node machines may fetch whose image has none. The one that runs this process fits
 * machines of its own platform; an operator who has others names a file for each platform, with its digest where it is not
 * the Node that Pilotage itself runs on.
 */

import Type from 'typebox'
import type { Violations } from '../../core/kernel/violations.ts'
import { absent, choice, flag, list, mapping, needed, type Read, reading, text, value } from './fields.ts'

const digest = value(Type.String({ pattern: '^[0-9a-f]{64}$' }), {
  rule: 'no SHA-256',
  accepted: '64 digits 0-9 and a-f, as sha256sum prints them',
})

const file = mapping({
  platform: needed(choice('linux-x64', 'linux-arm64')),
  file: needed(text),
  sha256: absent(digest),
})
const files = list(file, 2)

export type NodeFile = Readonly<Read<typeof file>>
type RawNode = boolean | readonly NodeFile[]

export const node = reading<RawNode>(Type.Union([flag.schema, files.schema]), (given, path, violations) =>
  Array.isArray(given) ? files(given, path, violations) : flag(given, path, violations),
)

export function checkNode(raw: RawNode, path: string, violations: Violations): void {
  if (typeof raw === 'boolean') return
  const platforms = raw.map(({ platform }) => platform)
  platforms.forEach((platform, at) => {
    if (platforms.indexOf(platform) === at) return
    violations.add(`${path}[${at}].platform`, platform, 'named twice', 'a file for each platform')
  })
}

/** own: the one that runs this process. `placed`: where a file lies that is named. */
export type NodeConfig = 'own' | readonly NodeFile[]

export function compileNode(raw: RawNode, placed: (file: string) => string): NodeConfig {
  if (typeof raw === 'boolean') return raw ? 'own' : []
  return raw.map((one) => ({ ...one, file: placed(one.file) }))
}
