/** The catalogue of images, by the commands that people give: a key, an endorsement, and what operators decide. */

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { parse } from 'yaml'
import { type Ran, run as runCommand } from '../../support/run-command.ts'
import type { Identity } from '../../../core/model/owner.ts'
import { openTrust } from '../../../services/images/trust.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'
import { sampleKey } from '../../../sim/sample-images.ts'

let dir: string
let api: ApiInParts | undefined

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-images-'))
})
afterEach(async () => {
  await api?.stop()
  api = undefined
  rmSync(dir, { recursive: true, force: true })
})

const entry = `
name: el9
os: almalinux-9
architecture: x86_64
digest: sha256:${'0a'.repeat(32)}
references: { north: 'id:4f1c', east: 'properties:os_distro=almalinux' }
validUntil: 2999-01-01
`
const at = (name: string): string => join(dir, name)

async function serve(): Promise<void> {
  api = await startApiInParts({
    trust: openTrust(new Map([['ops', readFileSync(at('ops.key.pub'), 'utf8')]])),
    sites: ['EAST', 'NORTH'],
    uses: [
      { cloud: 'north', site: 'NORTH', images: ['el9'] },
      { cloud: 'east', site: 'EAST', images: ['el9', 'other'] },
    ],
  })
  const owner = { vo: 'lhcb', group: 'users', owner: 'ada' }
  for (const role of ['operator', 'user'] as const) {
    const identity: Identity = { kind: 'user', owner, roles: [role] }
    writeFileSync(at(role), await api.tokenFor(identity))
  }
}

function run(line: string, role = 'operator'): Promise<Ran> {
  const environment = { PILOTAGE_SERVER: api?.server, PILOTAGE_TOKEN_FILE: at(role) }
  return runCommand(['image', ...line.split(' ')], { environment, workDir: dir })
}

async function endorsed(): Promise<void> {
  writeFileSync(at('el9.yaml'), entry)
  expect(await run(`keygen --out ${at('ops.key')}`)).toMatchObject({ code: 0, err: '' })
  const ends = await run(`endorse ${at('el9.yaml')} --key ${at('ops.key')} --by ops --out ${at('signed')}`)
  expect(ends).toMatchObject({ code: 0, out: '', err: 'el9, endorsed by ops, valid until 2999-01-01 00:00:00 UTC' })
}

it('goes from a key to an image that VMs may be made from, and to its end', async () => {
  await endorsed()
  await serve()
  const before = await run('list')
  expect(before.out).toMatch(/^el9 +Unknown .*north: image el9 is not in the catalogue; east: image el9 is not in the/m)
  expect(before.out).toMatch(/^other +Unknown /m)
  expect((await run(`add ${at('signed')}`)).out).toBe('el9: Listed\n')
  expect((await run(`add ${at('signed')}`)).out).toBe('el9: Listed (unchanged)\n')
  expect((await run('list', 'user')).out).toMatch(/north: image el9 is not approved by site NORTH/)
  expect((await run('approve el9 --site NORTH')).out).toBe('el9: Approved\n')
  expect((await run('list')).out).toMatch(
    /^el9 +Approved +NORTH +almalinux-9 +x86_64 +2999-01-01 00:00:00 +ops +north: yes; east: image el9 is not approved by/m,
  )
  expect((await run('disapprove el9 --site NORTH')).out).toBe('el9: Listed\n')
  expect((await run('revoke el9 --reason broken')).out).toBe('el9: Revoked\n')
  expect((await run('revoke el9')).out).toBe('el9: Revoked (unchanged)\n')
  expect((await run('list')).out).toMatch(/^el9 +Revoked .*north: image el9 was revoked by ada: broken/m)
  const again = await run('approve el9 --site NORTH')
  expect(again).toMatchObject({ code: 1, err: expect.stringMatching(/el9 is revoked, and that is final.*\[conflict\]/) })
  const kinds = (await api?.store.history('image:el9', 10))?.map(({ kind, data }) => [kind, data.by])
  expect(kinds?.map(([kind]) => kind)).toEqual(['Added', 'Approved', 'Disapproved', 'Revoked'])
  expect(new Set(kinds?.map(([, by]) => by))).toEqual(new Set(['ada']))
})

it('keeps a private key to its owner, and writes over nothing', async () => {
  await endorsed()
  expect(statSync(at('ops.key')).mode & 0o777).toBe(0o600)
  expect(readFileSync(at('ops.key.pub'), 'utf8')).toMatch(/^-----BEGIN PUBLIC KEY-----/)
  const key = readFileSync(at('ops.key'), 'utf8')
  expect(await run(`keygen --out ${at('ops.key')}`)).toMatchObject({ code: 1, err: expect.stringMatching(/\[conflict\]/) })
  expect(readFileSync(at('ops.key'), 'utf8')).toBe(key)
  const other = await run(`endorse ${at('el9.yaml')} --key ${at('ops.key.pub')} --by ops`)
  expect(other).toMatchObject({ code: 1, err: expect.stringMatching(/holds no private key of an endorser/) })
})

it('takes what was signed elsewhere over the bytes that it shows', async () => {
  await endorsed()
  const { out } = await run(`endorse ${at('el9.yaml')} --by ops --show`)
  expect(out).toMatch(/^pilotage image 1\n\{"architecture":"x86_64",.*"validUntilMs":32472144000000\}$/)
})

it('takes nothing that another key has signed, and nothing that was changed since', async () => {
  await endorsed()
  await serve()
  const signed = readFileSync(at('signed'), 'utf8')
  writeFileSync(at('changed'), signed.replace('id:4f1c', 'id:4f1d'))
  expect((await run(`add ${at('changed')}`)).err).toMatch(/signature: not a signature of this entry/)
  writeFileSync(at('stranger'), signed.replace('endorsedBy: ops', 'endorsedBy: eve'))
  expect((await run(`add ${at('stranger')}`)).err).toMatch(
    /entry\.endorsed_by: not trusted here \(given: eve\); accepted: ops/,
  )
  // Of one who calls himself as the trusted one.
  const { signature, ...fields } = parse(signed) as Record<string, string>
  expect(signature).toMatch(/^[\w+/]{86}==$/)
  const entryOf = { ...fields, validUntilMs: Date.parse(String(fields.validUntil)) }
  const { validUntil, ...mine } = entryOf as unknown as Parameters<ReturnType<typeof sampleKey>['sign']>[0] & {
    validUntil: string
  }
  expect(validUntil).toBe('2999-01-01T00:00:00.000Z')
  writeFileSync(at('forged'), signed.replace(String(signature), sampleKey().sign(mine)))
  expect((await run(`add ${at('forged')}`)).err).toMatch(/signature: not a signature of this entry/)
  expect(await api?.store.images()).toEqual([])
})

it('says what is wrong with a decision', async () => {
  await endorsed()
  await serve()
  await run(`add ${at('signed')}`)
  expect((await run('approve el9 --site SOUTH')).err).toMatch(
    /site: not a site of this installation .*accepted: EAST, NORTH/,
  )
  expect((await run('approve none --site NORTH')).err).toMatch(/no image none in the catalogue \[not-found\]/)
  expect((await run('revoke none')).err).toMatch(/\[not-found\]/)
  expect((await run('revoke el9', 'user')).err).toMatch(/\[forbidden\]/)
  writeFileSync(at('other.yaml'), entry.replace('almalinux-9', 'almalinux-10'))
  await run(`endorse ${at('other.yaml')} --key ${at('ops.key')} --by ops --out ${at('other')}`)
  expect((await run(`add ${at('other')}`)).err).toMatch(/another image needs another name \[conflict\]/)
})

it('lists everything that is wrong with an entry', async () => {
  writeFileSync(at('bad.yaml'), 'nane: el9\nvalidUntil: tomorrow\nendorsedBy: eve\nreferences: { north: 4f1c }\n')
  const { code, err } = await run(`endorse ${at('bad.yaml')} --by ops --show`)
  expect(code).toBe(1)
  for (const wrong of [
    /nane: unknown field .*name\?/,
    /endorsedBy: not ops, who signs/,
    /validUntil: not a time \(given: tomorrow\)/,
    /references\.north: not a reference/,
    /digest: not a digest/,
  ]) {
    expect(err).toMatch(wrong)
  }
  writeFileSync(at('bad.yaml'), '[1')
  expect((await run(`endorse ${at('bad.yaml')} --by ops --show`)).err).toMatch(/it is not YAML or JSON/)
})
