/** docs/how-to/use-from-typescript.md: its examples are one program, which prints what the page shows. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import { localServiceConfig } from '../../support/local-service-config.ts'
import { connectAdmin, type ServiceProcess, serviceFiles, startServiceProcess } from '../../support/service-process.ts'

const root = join(import.meta.dirname, '../../..')
const guide = readFileSync(join(root, 'docs/how-to/use-from-typescript.md'), 'utf8')
const clock = systemClock()
const dir = mkdtempSync(join(tmpdir(), 'pilotage-guide-'))
let service: ServiceProcess
let environment: NodeJS.ProcessEnv

beforeAll(async () => {
  const files = serviceFiles(dir, localServiceConfig)
  service = startServiceProcess(clock, files)
  const server = await service.serving()
  const admin = connectAdmin(clock, files, server)
  const { token } = await admin.createToken({ subject: 'ada', vo: 'vo1', group: 'users', roles: ['user'], lifetimeMs: 0 })
  admin.close()
  writeFileSync(join(dir, 'token'), token)
  environment = { PATH: '', PILOTAGE_SERVER: server, PILOTAGE_TOKEN_FILE: join(dir, 'token') }
})
afterAll(async () => {
  await service.ended('SIGTERM')
  rmSync(dir, { recursive: true, force: true })
})

function blocks(kind: string): readonly string[] {
  return [...guide.matchAll(new RegExp(`^\`\`\`${kind}\\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text)
}

/** As a program in this package: the package's own name leads to its entry points. */
function runProgram(text: string) {
  const options = ['--input-type=module-typescript', '--no-warnings']
  return spawnSync(process.execPath, options, {
    cwd: root,
    env: environment,
    input: text,
    encoding: 'utf8',
    timeout: 60_000,
  })
}

describe('the guide', () => {
  it('prints what it shows', () => {
    const { stdout, stderr, status } = runProgram(blocks('ts').join('\n'))
    expect([stderr, status]).toEqual(['', 0])
    expect(stdout).toBe(blocks('text').join(''))
  }, 90_000)

  it('names every entry point, and each can be imported', () => {
    const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: object }
    const names = Object.keys(exports).filter((name) => name.startsWith('./client'))
    for (const name of names) {
      const entry = `pilotage/${name.slice(2)}`
      expect(guide).toContain(`| \`${entry}\` |`)
      expect([
        entry,
        runProgram(`import * as all from '${entry}'; console.log(Object.keys(all).length > 0)`).stdout,
      ]).toEqual([entry, 'true\n'])
    }
  }, 60_000)
})
