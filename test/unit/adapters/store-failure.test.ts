import { mkdtempSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import type { PilotageError } from '../../../core/kernel/errors.ts'
import { type Call, openEngine } from '../../../services/adapters/store/sqlite/engine.ts'
import { openSqliteStore } from '../../../services/adapters/store/sqlite/sqlite-store.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pilotage-store-failure-'))
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(directory, { recursive: true, force: true })
})

it('acknowledges nothing more once the disk has refused a commit', () => {
  const engine = openEngine(':memory:')
  const keep = (text: string): Call => ({ name: 'keepNote', args: ['a', text] })
  const exec = vi.spyOn(DatabaseSync.prototype, 'exec')
  exec
    .mockImplementationOnce(() => {})
    .mockImplementationOnce(() => {
      throw new Error('disk I/O error')
    })
  const refused = { ok: false, error: expect.objectContaining({ code: 'store-failed' }) }
  expect(engine.commit([keep('1'), keep('2')])).toEqual([refused, refused])
  exec.mockRestore()
  expect(engine.commit([keep('3')])).toEqual([refused])
})

it('refuses everything once it is closed, and calls that no failure', async () => {
  const failures: PilotageError[] = []
  const store = await openSqliteStore(join(directory, 'pilotage.db'), systemClock(), (error) => failures.push(error))
  await store.keepNote('x', '1')
  await store.close()
  await expect(store.note('x')).rejects.toMatchObject({ code: 'store-failed' })
  expect(failures).toEqual([])
})
