import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openInstallation } from '../../../services/run/installation.ts'

let directory: string
const key = { makeKey: async (): Promise<string> => '{"a":"key"}', alone: true }

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'pilotage-installation-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

it('makes its name and key once, for its owner only', async () => {
  const first = await openInstallation(join(directory, 'data'), key)
  first.unlock()
  const again = await openInstallation(join(directory, 'data'), { ...key, makeKey: async () => 'another' })
  expect([again.name, again.signingKey]).toEqual([first.name, '{"a":"key"}'])
  expect(statSync(again.path('signing-key.json')).mode & 0o777).toBe(0o600)
  expect(statSync(join(directory, 'data')).mode & 0o777).toBe(0o700)
  again.unlock()
})

it('is refused while a living process holds it', async () => {
  const holder = spawn('sleep', ['60'], { stdio: 'ignore' })
  try {
    const stat = readFileSync(`/proc/${holder.pid}/stat`, 'utf8')
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    writeFileSync(join(directory, 'lock'), `${holder.pid} ${start}\n`)
    await expect(openInstallation(directory, key)).rejects.toMatchObject({ code: 'store-locked' })
    expect(readFileSync(join(directory, 'lock'), 'utf8')).toBe(`${holder.pid} ${start}\n`)
  } finally {
    holder.kill('SIGKILL')
  }
})

it.each([
  ['whose owner is dead', '4194304 1\n'],
  ['whose pid belongs to another process now', `${process.ppid} 1\n`],
  ['that was torn while it was written', ''],
])('takes over a lock %s', async (_, text) => {
  writeFileSync(join(directory, 'lock'), text)
  const installation = await openInstallation(directory, key)
  expect(readFileSync(join(directory, 'lock'), 'utf8')).toMatch(new RegExp(`^${process.pid} `))
  installation.unlock()
  expect(existsSync(join(directory, 'lock'))).toBe(false)
})

it('is shared where its store is, and made once by processes that start at one instant', async () => {
  const start = `
    import { openInstallation } from ${JSON.stringify(join(import.meta.dirname, '../../../services/run/installation.ts'))}
    const makeKey = async () => JSON.stringify({ of: process.pid })
    process.stdin.once('data', async () => {
      const { name, signingKey } = await openInstallation(${JSON.stringify(join(directory, 'data'))}, { makeKey, alone: false })
      console.log(JSON.stringify({ name, signingKey }))
      process.exit()
    })
    console.log('ready')
  `
  const starters = Array.from({ length: 6 }, () =>
    spawn(process.execPath, ['--input-type=module-typescript', '-e', start], { stdio: ['pipe', 'pipe', 'inherit'] }),
  )
  const said = starters.map((child) => {
    let text = ''
    child.stdout.on('data', (piece: Buffer) => {
      text += piece
    })
    return () => text
  })
  await Promise.all(starters.map((child) => new Promise((resolve) => child.stdout.once('data', resolve))))
  const ended = starters.map((child) => new Promise((resolve) => child.once('close', resolve)))
  for (const child of starters) child.stdin.write('go\n')
  await Promise.all(ended)
  const answers = new Set(said.map((text) => text().split('\n')[1]))
  expect([...answers]).toEqual([expect.stringMatching(/^\{"name":"pilotage-\w{8}"/)])
  expect(readdirSync(join(directory, 'data')).sort()).toEqual(['installation', 'signing-key.json'])
})

it('is not shared by one who wants it alone', async () => {
  const first = await openInstallation(directory, { ...key, alone: false })
  const second = await openInstallation(directory, key)
  expect(existsSync(join(directory, 'lock'))).toBe(true)
  first.unlock()
  expect(existsSync(join(directory, 'lock'))).toBe(true)
  second.unlock()
})
