/**
 * The last step of `npm ci`: makes `node_modules/.bin/node` the Node of the lock file, after a check of its digest.
 *
 * npm has got the package of this platform and checked it against the lock file. It does not always link its program: npm 10
 * removes the link again with the package of the other platform, because both packages name their program `node`. npm also
 * skips a package that it cannot get without a word; here that is an error. Plain JavaScript: the Node that was there before
 * runs it.
 */

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { version, sha256 } = JSON.parse(readFileSync(join(root, 'services/api/http/node-programs.json'), 'utf8'))
const platform = `${process.platform}-${process.arch}`

/** Undefined: this platform has no package, and its users run Pilotage with a Node of their own. */
const expected = sha256[platform]
if (expected !== undefined) link(join(root, 'node_modules', `node-${platform}`, 'bin/node'))

function link(program) {
  if (!existsSync(program)) fail(`${program} is missing: npm could not get it, or it was not what the lock file says`)
  const digest = createHash('sha256').update(readFileSync(program)).digest('hex')
  if (digest !== expected) fail(`${program} has the SHA-256 ${digest}, and Node ${version} has ${expected}`)
  const bin = join(root, 'node_modules/.bin')
  mkdirSync(bin, { recursive: true })
  rmSync(join(bin, 'node'), { force: true })
  symlinkSync(`../node-${platform}/bin/node`, join(bin, 'node'))
}

function fail(why) {
  console.error(`error: ${why}; run npm ci again`)
  process.exit(1)
}
