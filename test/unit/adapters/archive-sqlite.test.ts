import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { archiveContract } from '../../contract/archive.ts'
import { sqlitePlace } from '../../support/sqlite-place.ts'

const directory = mkdtempSync(join(tmpdir(), 'pilotage-archive-'))

afterAll(() => rmSync(directory, { recursive: true, force: true }))

archiveContract('sqlite', { here: sqlitePlace(directory), there: sqlitePlace(directory) })
