/**
 * The contract that has landed, as an image of buf: proto/landed.binpb. With --check: the style of the contract (buf lint),
 * and that nothing in it breaks a program that was made from the landed one (buf breaking); a fresh clone without history is
 * enough.
 *
 * Without --check: checks the same, and then keeps the contract of now as the landed one. With --break: keeps it without the
 * comparison; such a change needs a decision record.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const buf = join(root, 'node_modules/.bin/buf')
const landed = 'proto/landed.binpb'

const isCheck = process.argv.includes('--check')
const mayBreak = process.argv.includes('--break') && !isCheck

function holds(...words: readonly string[]): boolean {
  return spawnSync(buf, words, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] }).status === 0
}

const isSound = holds('lint') && (mayBreak || holds('breaking', '--against', landed))
// Thrown, not exited with: the caller of this program sees the failure by it.
if (!isSound) throw new Error('the contract has faults, or breaks the one that landed: see docs/how-to/add-an-rpc.md')
if (!isCheck) execFileSync(buf, ['build', '--as-file-descriptor-set', '--exclude-source-info', '-o', landed], { cwd: root })
