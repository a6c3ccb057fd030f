/**
 * A file of a job's sandbox: input that its owner has put before, and output that its payload leaves. A file is known by the
 * sha256 of its content.
 *
 * Decides which paths a sandbox takes: only such as lead into the payload's directory, whatever program joins them, and that
 * people see as they are. The client, the service and the pilot ask the same function.
 */

import { sandboxLimits } from '../kernel/sandbox-limits.ts'
import { isPlainText } from '../kernel/text.ts'

/** Content by its digest: `bytes` belong to it, so that what is expected can be bounded before it is read. */
export type Content = { readonly digest: string; readonly bytes: number }

export type InputFile = Content & {
  /** In the payload's directory. */
  readonly path: string
  readonly executable: boolean
  /** Only in documents: a file or a folder that the client puts, and whose digest is not known yet. */
  readonly from?: string
}

export type OutputFile = Content & { readonly path: string; readonly executable: boolean }

export function isDigest(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text)
}

export const digestForm = '64 hexadecimal digits, of the sha256 of the content'
export const sandboxPathForm = `a relative path of at most ${sandboxLimits.pathBytes} bytes and ${sandboxLimits.depth} folders, without . and .., backslashes and hidden characters`

/** What is wrong with it; undefined: it is a path of a sandbox. */
export function sandboxPathProblem(path: string): string | undefined {
  if (path === '') return 'empty'
  if (path.startsWith('/')) return 'absolute'
  if (!path.isWellFormed() || !isPlainText(path)) return 'has hidden characters'
  // A separator on other systems: what is fetched there must stay in its directory too.
  if (path.includes('\\')) return 'has a backslash'
  if (utf8Bytes(path) > sandboxLimits.pathBytes) return 'too long'
  const names = path.split('/')
  if (names.length > sandboxLimits.depth) return 'too many folders'
  if (names.includes('')) return 'has an empty name'
  if (names.includes('..') || names.includes('.')) return 'has . or ..'
  if (names.some((name) => utf8Bytes(name) > sandboxLimits.nameBytes)) return 'has a name that is too long'
  return undefined
}

/** Two files of the list that cannot both be there: the same path twice, or one below the other. */
export function clashingPaths(paths: readonly string[]): readonly [string, string] | undefined {
  const all = new Set<string>()
  for (const path of paths) {
    if (all.has(path)) return [path, path]
    all.add(path)
  }
  for (const path of paths) {
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
      const above = path.slice(0, at)
      if (all.has(above)) return [above, path]
    }
  }
  return undefined
}

function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length
}
