/** The last step of npm ci: only the Node whose digest is written down becomes the Node that runs Pilotage. */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'

const platform = `${process.platform}-${process.arch}`
const content = 'a program'
let root: string
let program: string
let link: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'pilotage-link-node-'))
  mkdirSync(join(root, 'services/api/http'), { recursive: true })
  mkdirSync(join(root, `node_modules/node-${platform}/bin`), { recursive: true })
  cpSync(join(import.meta.dirname, '../../bin/link-node.mjs'), join(root, 'bin/link-node.mjs'))
  program = join(root, `node_modules/node-${platform}/bin/node`)
  link = join(root, 'node_modules/.bin/node')
  writeFileSync(program, content)
  publish({ [platform]: createHash('sha256').update(content).digest('hex') })
})
afterEach(() => rmSync(root, { recursive: true }))

const publish = (sha256: object): void =>
  writeFileSync(join(root, 'services/api/http/node-programs.json'), JSON.stringify({ version: '1.2.3', sha256 }))
const run = () => spawnSync(process.execPath, [join(root, 'bin/link-node.mjs')], { encoding: 'utf8', timeout: 20_000 })

it('links the program, also over a link that is there', () => {
  mkdirSync(join(root, 'node_modules/.bin'))
  symlinkSync('../elsewhere/node', link)
  expect(run()).toMatchObject({ status: 0, stderr: '' })
  expect(readlinkSync(link)).toBe(`../node-${platform}/bin/node`)
})

it('fails where the program is another one', () => {
  writeFileSync(program, 'another program')
  const { status, stderr } = run()
  expect([status, existsSync(link)]).toEqual([1, false])
  expect(stderr).toMatch(/has the SHA-256 [0-9a-f]{64}, and Node 1\.2\.3 has [0-9a-f]{64}; run npm ci again/)
})

it('fails where npm has skipped the package', () => {
  rmSync(program)
  const { status, stderr } = run()
  expect([status, existsSync(link)]).toEqual([1, false])
  expect(stderr).toContain('is missing: npm could not get it')
})

it('does nothing on a platform that has no package', () => {
  publish({ 'plan9-mips': 'a'.repeat(64) })
  expect(run().status).toBe(0)
  expect(existsSync(link)).toBe(false)
})
