/** What the command compiled is kept where only the owner of the packages writes, and a start needs none of it. */

import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { programLine } from '../../support/program.ts'

const packages = join(import.meta.dirname, '../../../node_modules')

it('is beside the packages, as writable as they are', () => {
  const { status, stdout } = spawnSync(process.execPath, programLine('--version'), { encoding: 'utf8' })
  expect([status, stdout.trim()]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+$/)])
  const cache = join(packages, '.cache/pilotage')
  expect(readdirSync(cache).length).toBeGreaterThan(0)
  const [kept, beside] = [statSync(cache), statSync(packages)]
  expect(kept.uid).toBe(beside.uid)
  expect(kept.mode & 0o022 & ~beside.mode).toBe(0)
})
