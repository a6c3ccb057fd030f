/** What the scripts of the tests get from package servers is pinned by digests. */

import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
/** A command of the shell goes on after a backslash at the end of a line. */
const commandsOf = (path: string): readonly string[] => read(path).replaceAll('\\\n', ' ').split('\n')

const scripts = globSync(['.ci/*', 'test/**/*', 'docker/**/Dockerfile', 'Dockerfile'], { cwd: root, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
  .filter((path) => path.endsWith('Dockerfile') || read(path).startsWith('#!'))

it('every pip takes only files with the digests that it was given', () => {
  const calls = scripts.flatMap((path) =>
    commandsOf(path)
      .filter((line) => !line.trimStart().startsWith('#') && /\bpip['"]? (?:install|download)\b/.test(line))
      .map((line) => ({ path, line })),
  )
  expect(calls.length).toBeGreaterThanOrEqual(3)
  expect(calls.filter(({ line }) => !line.includes('--require-hashes'))).toEqual([])
})

it('every Python package of moto has digests', () => {
  const lines = read('test/peers/moto-requirements.txt')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  expect(lines.length).toBeGreaterThan(20)
  for (const line of lines) expect(line).toMatch(/^[\w.-]+==[\w.]+(?: --hash=sha256:[0-9a-f]{64})+$/)
})

it('nothing is run that npx fetches', () => {
  const calls = scripts.flatMap((path) => commandsOf(path).filter((line) => /\bnpx +(?:-y|--yes)\b/.test(line)))
  expect(calls).toEqual([])
})
