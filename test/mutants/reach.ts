/** Which test files are worth running for a change, before anything is known of what they run: by imports. */

import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { asNode, parse, walk } from './syntax.ts'

/** The test files from which one of `files` can be reached, the nearest first. */
export function nearestTests(root: string, tests: readonly string[], files: readonly string[]): readonly string[] {
  const all = globSync('{core,services,agents,contextualization,proto,client,cli,sim,bin,test}/**/*.ts', { cwd: root })
  const steps = importersOf(
    root,
    all.filter((path) => !path.startsWith('proto/gen/')),
    files,
  )
  return tests.filter((path) => steps.has(path)).toSorted((a, b) => (steps.get(a) ?? 0) - (steps.get(b) ?? 0))
}

/** For each file from which one of `files` can be reached by imports: over how many. */
export function importersOf(root: string, all: readonly string[], files: readonly string[]): ReadonlyMap<string, number> {
  const importers = new Map<string, string[]>()
  for (const file of all) {
    for (const target of importsOf(root, file)) importers.set(target, [...(importers.get(target) ?? []), file])
  }
  const steps = new Map(files.map((file) => [file, 0]))
  for (const [file, step] of steps) {
    for (const importer of importers.get(file) ?? []) if (!steps.has(importer)) steps.set(importer, step + 1)
  }
  return steps
}

function importsOf(root: string, file: string): ReadonlySet<string> {
  const found = new Set<string>()
  walk(parse(file, readFileSync(join(root, file), 'utf8')), ({ node }) => {
    const named = asNode(node.source)
    const target = typeof named?.value === 'string' && named.value.startsWith('.') ? join(dirname(file), named.value) : ''
    const isType = node.importKind === 'type' || node.exportKind === 'type'
    if (target !== '' && !isType && existsSync(join(root, target))) found.add(target)
    return true
  })
  return found
}
