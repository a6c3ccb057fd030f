/**
 * The source tree as the structure test sees it: every file of ours with its text, and every import resolved to a file or a
 * package. Reads the disk once; decides nothing.
 */

import { globSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { importsOf, readSource, type ImportKind, type SourceText } from './source-text.ts'

export const root = join(import.meta.dirname, '../..')

const folders = ['core', 'proto', 'services', 'agents', 'client', 'cli', 'sim', 'bin', 'contextualization', 'test', 'bench']

/** What an import leads to: a file of ours by its path from the root, or a package by its name (`node:` included). */
export type Target = {
  readonly file?: string
  readonly packageName?: string
  readonly kind: ImportKind
  readonly line: number
}

export type SourceFile = SourceText & {
  readonly path: string
  readonly lineCount: number
  readonly imports: readonly Target[]
}

/** Every text file of ours in the source folders; installed and generated trees of others left out. */
export function readPaths(): readonly string[] {
  const found = folders.flatMap((folder) => globSync(`${folder}/**/*.*`, { cwd: root }))
  return found.map((path) => path.replaceAll('\\', '/')).sort()
}

export function readTree(): readonly SourceFile[] {
  return readPaths()
    .filter((path) => /\.(?:ts|mjs)$/.test(path))
    .map((path) => {
      const source = readSource(readFileSync(join(root, path), 'utf8'))
      const lineCount = source.text.split('\n').length - (source.text.endsWith('\n') ? 1 : 0)
      return {
        ...source,
        path,
        lineCount,
        imports: importsOf(source).map((one) => ({ ...resolved(path, one.specifier), ...one })),
      }
    })
}

export function resolved(from: string, specifier: string): Pick<Target, 'file' | 'packageName'> {
  if (specifier.startsWith('.')) return { file: posix.normalize(posix.join(posix.dirname(from), specifier)) }
  if (specifier.startsWith('node:')) return { packageName: specifier }
  const parts = specifier.split('/')
  return { packageName: parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/') }
}

/** A circle of imports, those of types alone included, as the paths around it; undefined where there is none. */
export function findCycle(files: readonly Pick<SourceFile, 'path' | 'imports'>[]): readonly string[] | undefined {
  const edges = new Map(
    files.map(({ path, imports }) => [path, imports.flatMap(({ file }) => (file === undefined ? [] : [file]))]),
  )
  const done = new Set<string>()
  function walk(path: string, trail: readonly string[]): readonly string[] | undefined {
    const seen = trail.indexOf(path)
    if (seen >= 0) return [...trail.slice(seen), path]
    if (done.has(path)) return undefined
    for (const next of edges.get(path) ?? []) {
      const cycle = walk(next, [...trail, path])
      if (cycle) return cycle
    }
    done.add(path)
    return undefined
  }
  for (const path of edges.keys()) {
    const cycle = walk(path, [])
    if (cycle) return cycle
  }
  return undefined
}
