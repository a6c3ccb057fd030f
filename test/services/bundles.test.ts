/** What machines get over plain HTTP: programs by their digests, and lists of proxies. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type BundleServer, type ServedFile, servedFile, startBundleServer } from '../../services/bundles.ts'

let dir: string
let server: BundleServer
let file: ServedFile
const proxies = new Map([['cern', ['http://a:3128']]])

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-served-'))
  writeFileSync(join(dir, 'program'), 'a program')
  file = await servedFile(join(dir, 'program'))
  server = await startBundleServer('127.0.0.1', 0, { files: [file], proxiesOf: (site) => proxies.get(site) })
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

it('a site’s proxies are as they are now, one a line, and kept by nobody', async () => {
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
