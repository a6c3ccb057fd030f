/**
 * The key `context.agents.node`: which Node machines may fetch whose image has none. The one that runs this process fits machines
 * of its own platform; an operator who has others names a file for each platform, with its digest where it is not the Node that
 * Pilotage itself runs on.
 */

import type { NodePlatform } from '../../core/model/agent-config.ts'
import type { Violations } from '../../core/kernel/violations.ts'
import { absent, choice, flag, list, mapping, needed, type Reader, text } from './fields.ts'

export type NodeFile = { readonly platform: NodePlatform; readonly file: string; readonly sha256?: string | undefined }
export type RawNode = boolean | readonly NodeFile[]

const digest: Reader<string> = (value, path, violations) => {
  if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) return value
  violations.add(path, value, 'no SHA-256', '64 digits 0-9 and a-f, as sha256sum prints them')
  return undefined
}

const files = list(
  mapping<NodeFile>({
    platform: needed(choice('linux-x64', 'linux-arm64')),
    file: needed(text),
    sha256: absent(digest),
  }),
  2,
)

export const node: Reader<RawNode> = (value, path, violations) =>
  Array.isArray(value) ? files(value, path, violations) : flag(value, path, violations)

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
