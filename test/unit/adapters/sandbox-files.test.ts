import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { fileSandbox } from '../../../services/adapters/sandbox/files/file-sandbox.ts'
import { sandboxContract } from '../../contract/sandbox.ts'

const directory = mkdtempSync(join(tmpdir(), 'pilotage-sandbox-'))
let opened = 0

afterAll(() => rmSync(directory, { recursive: true, force: true }))

sandboxContract('files', async () => {
  opened += 1
  return fileSandbox(join(directory, String(opened)))
})
