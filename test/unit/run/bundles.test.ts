/** What machines get over plain HTTP: programs by their digests, and lists of proxies. */

import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type BundleServer,
  type ServedFile,
  servedFile,
  servedNodes,
  startBundleServer,
} from '../../../services/api/http/agent-files.ts'

let dir: string
let server: BundleServer
let file: ServedFile
const proxies = new Map([['cern', ['http://a:3128']]])

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-served-'))
  writeFileSync(join(dir, 'program'), 'a program')
  file = await servedFile(join(dir, 'program'))
  server = await startBundleServer('127.0.0.1', 0, { files: [file], proxiesOf: async (site) => proxies.get(site) })
})
afterEach(async () => {
  await server.stop()
  rmSync(dir, { recursive: true })
})

const get = (path: string, method = 'GET') => fetch(`http://127.0.0.1:${server.port}${path}`, { method })

it('programs are served by their digests, for ever', async () => {
  const answer = await get(`/agents/${file.sha256}`)
  expect([answer.status, await answer.text()]).toEqual([200, 'a program'])
  expect(answer.headers.get('cache-control')).toContain('immutable')
  expect((await get(`/agents/${'0'.repeat(64)}`)).status).toBe(404)
})

it('a site’s proxies are as they are now, one per line, and kept in no cache', async () => {
  const answer = await get('/sites/cern/proxies')
  expect([answer.status, await answer.text()]).toEqual([200, 'http://a:3128\n'])
  expect(answer.headers.get('cache-control')).toBe('no-store')
  proxies.set('cern', ['http://a:3128', 'http://b:3128'])
  expect(await (await get('/sites/cern/proxies')).text()).toBe('http://a:3128\nhttp://b:3128\n')
  expect(await (await get('/sites/cern/proxies', 'HEAD')).text()).toBe('')
  proxies.set('a/b:c', [])
  const empty = await get('/sites/a%2Fb%3Ac/proxies')
  expect([empty.status, await empty.text()]).toEqual([200, ''])
})

it('a site’s proxies are not given where they cannot be read: the caller keeps what it has', async () => {
  const away = await startBundleServer('127.0.0.1', 0, { files: [], proxiesOf: () => Promise.reject(new Error('away')) })
  const { status } = await fetch(`http://127.0.0.1:${away.port}/sites/cern/proxies`)
  await away.stop()
  expect(status).toBe(503)
})

/** What the first bytes of a program say of itself. */
function elf(machine: number): Buffer {
  const head = Buffer.alloc(64)
  head.write('\x7fELF', 'latin1')
  head.writeUInt16LE(machine, 18)
  return head
}

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

describe('a Node for each platform', () => {
  let arm: string
  let x64: string
  beforeEach(() => {
    arm = join(dir, 'arm')
    x64 = join(dir, 'x64')
    writeFileSync(arm, elf(0xb7))
    writeFileSync(x64, elf(0x3e))
  })

  it('is served where its own first bytes and its digest are those that are named', async () => {
    const [first, second] = await servedNodes([
      { platform: 'linux-arm64', file: arm, sha256: sha256(arm) },
      { platform: 'linux-x64', file: x64, sha256: sha256(x64) },
    ])
    expect(first).toEqual({ platform: 'linux-arm64', path: arm, sha256: sha256(arm) })
    expect(second).toEqual({ platform: 'linux-x64', path: x64, sha256: sha256(x64) })
    expect(await servedNodes([])).toEqual([])
  })

  it('is refused where it is for other machines, no program, or not there', async () => {
    const wrong = servedNodes([
      { platform: 'linux-x64', file: arm },
      { platform: 'linux-arm64', file: join(dir, 'program') },
      { platform: 'linux-arm64', file: join(dir, 'nothing') },
    ])
    await expect(wrong).rejects.toMatchObject({
      code: 'invalid-argument',
      violations: [
        { path: 'context.agents.node[0].file', rule: 'for other machines' },
        { path: 'context.agents.node[1].file', rule: 'no program of Linux' },
        { path: 'context.agents.node[2].file', rule: 'cannot be read (ENOENT)' },
      ],
    })
  })

  it('is refused where its digest is not the one that is written down', async () => {
    const wrong = servedNodes([
      { platform: 'linux-x64', file: x64 },
      { platform: 'linux-arm64', file: arm, sha256: sha256(x64) },
    ])
    await expect(wrong).rejects.toMatchObject({
      code: 'invalid-argument',
      violations: [
        { path: 'context.agents.node[0]', rule: expect.stringMatching(/^not Node [\d.]+ as published$/) },
        { path: 'context.agents.node[1].sha256', rule: 'not the digest of the file' },
      ],
    })
  })

  it('is the one of the lock file where none is named, for it is what runs this', async () => {
    const program = realpathSync(join(import.meta.dirname, `../../../node_modules/node-linux-${process.arch}/bin/node`))
    expect(await servedNodes('own')).toEqual([
      { platform: `linux-${process.arch}`, path: process.execPath, sha256: sha256(program) },
    ])
  })

  it('is refused where this process runs on another one', async () => {
    const running = process.execPath
    process.execPath = x64
    try {
      await expect(servedNodes('own')).rejects.toMatchObject({ violations: [{ path: 'context.agents.node' }] })
    } finally {
      process.execPath = running
    }
  })
})

it.each([
  ['GET', '/sites/nowhere/proxies'],
  ['GET', '/sites/%zz/proxies'],
  ['GET', '/sites//proxies'],
  ['GET', '/sites/cern/proxies/'],
  ['POST', '/sites/cern/proxies'],
  ['GET', '/'],
])('%s %s is not found', async (method, path) => {
  expect((await get(path, method)).status).toBe(404)
})
