/** An engine that cannot be opened lets its database go at once: the next one to open it finds no lock of it. */

import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, expect, it } from 'vitest'
import { openEngine } from '../../../services/adapters/store/sqlite/engine.ts'
import { schemaVersion } from '../../../services/adapters/store/sqlite/schema.ts'

const dir = mkdtempSync(join(tmpdir(), 'pilotage-opening-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** Of this process, on files whose path begins so. */
function descriptorsOn(path: string): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${fd}`)
      return file.startsWith(path) ? [file] : []
    } catch {
      return []
    }
  })
}

it.each([
  ['a newer program made it', `pragma user_version = ${schemaVersion + 1}`, 'store-newer'],
  ['an import is not finished', "insert into imports values (1, '{}', 0, '')", 'store-failed'],
])('where %s', (_, change, code) => {
  const path = join(dir, code)
  openEngine(path).close()
  const other = new DatabaseSync(path)
  other.exec(change)
  other.close()
  const kept: unknown[] = []
  try {
    kept.push(openEngine(path))
  } catch (error) {
    expect(error).toMatchObject({ code })
  }
  expect(kept).toEqual([])
  expect(descriptorsOn(path)).toEqual([])
})
