/** Which Node a machine takes: the lines of the script themselves, where `uname` says what a test wants. */

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { nodeLines } from '../../../contextualization/script-parts.ts'
import { fetched } from './samples.ts'

const x64 = { ...fetched('1'), platform: 'linux-x64' } as const
const arm64 = { ...fetched('2'), platform: 'linux-arm64' } as const

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'pilotage-node-'))
  mkdirSync(join(root, 'bin'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

/**
 * What the machine took, and what it said; `image`: the Node of its own, as its exit code when asked whether it is new
 * enough.
 */
function taken(nodes: Parameters<typeof nodeLines>[0], machine: string, image?: number) {
  for (const name of ['ln', 'chmod']) {
    const program = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim()
    symlinkSync(program, join(root, 'bin', name))
  }
  const program = (name: string, line: string): void => {
    writeFileSync(join(root, 'bin', name), `#!/bin/sh\n${line}\n`)
    chmodSync(join(root, 'bin', name), 0o755)
  }
  program('uname', `echo ${machine}`)
  if (image !== undefined) program('node', `exit ${image}`)
  const functions = ['fetch() { echo "$1" >"$2"; }', 'fail() { echo "boot failed: $*"; exit 1; }']
  const lines = nodeLines(nodes).map((line) => line.replaceAll('/usr/lib/pilotage', root))
  writeFileSync(join(root, 'script'), ['set -u', ...functions, ...lines].join('\n'))
  const { status, stdout } = spawnSync('/bin/sh', [join(root, 'script')], {
    encoding: 'utf8',
    env: { PATH: join(root, 'bin') },
  })
  const node = join(root, 'node')
  return { status, said: stdout.trim(), digest: existsSync(node) ? readFileSync(node, 'utf8').trim() : '' }
}

it.each([
  ['x86_64', x64.sha256],
  ['aarch64', arm64.sha256],
  ['arm64', arm64.sha256],
])('a machine of %s takes its own, by its digest', (machine, digest) => {
  expect(taken([x64, arm64], machine)).toEqual({ status: 0, said: '', digest })
})

it('a machine that none fits says which there are, and fails', () => {
  const { status, said, digest } = taken([x64, arm64], 'riscv64')
  expect([status, digest]).toEqual([1, ''])
  expect(said).toBe('boot failed: this image has no Node 20, and none that is served (linux-x64, linux-arm64) fits riscv64')
})

it('a machine without any says so', () => {
  expect(taken([], 'x86_64')).toMatchObject({ status: 1, said: 'boot failed: this image has no Node 20' })
})

it('the image’s own goes first where it is new enough, and only then', () => {
  expect(taken([x64], 'riscv64', 0)).toMatchObject({ status: 0, said: '', digest: '#!/bin/sh\nexit 0' })
})

it('an old one is passed over', () => {
  expect(taken([x64], 'x86_64', 1)).toMatchObject({ status: 0, digest: x64.sha256 })
})
