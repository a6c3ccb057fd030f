/** Which mutants are tried: a sample that repeats, and the files that a change touched. */

import { execFileSync } from 'node:child_process'
import { seededRandom } from '../../core/kernel/random.ts'

/** All in an order that the seed decides: the first N are a random sample. */
export function shuffled<T>(all: readonly T[], seed: number): readonly T[] {
  const random = seededRandom(seed)
  return all
    .map((one) => ({ one, at: random.next() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ one }) => one)
}

export type Changed = { readonly since: string; readonly files: readonly string[] } | { readonly why: string }

/**
 * The files that differ from a commit, those without a commit included. Without `since`: from where this branch left main,
 * and on main from the commit before the last. A clone may know neither.
 */
export function changedFiles(root: string, since = ''): Changed {
  const git = (...args: readonly string[]): string | undefined => {
    try {
      return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
    } catch {
      return undefined
    }
  }
  const head = git('rev-parse', '--verify', '--quiet', 'HEAD^{commit}')
  if (head === undefined) return { why: 'no Git repository with a commit' }
  const bases = since === '' ? ['origin/main', 'main'].map((name) => git('merge-base', 'HEAD', name)) : []
  const chosen = since === '' ? (bases.find((base) => base !== undefined && base !== head) ?? 'HEAD~1') : since
  const commit = git('rev-parse', '--verify', '--quiet', `${chosen}^{commit}`)
  if (commit === undefined) {
    if (since !== '') throw new Error(`${since} is no commit here`)
    return { why: 'the history has one commit' }
  }
  const names = [git('diff', '--name-only', '--diff-filter=d', commit), git('ls-files', '--others', '--exclude-standard')]
  return {
    since: commit.slice(0, 10),
    files: [...new Set(names.flatMap((text) => (text ?? '').split('\n')))].filter(Boolean),
  }
}
