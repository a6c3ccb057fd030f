/** What a payload occupies on disk, by both ways to measure it, against `du`. */

import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { makeDirectory, removeDirectory } from '../../../agents/pilot/directory.ts'
import { runScript } from '../../../agents/pilot/isolation/as-account.ts'
import { measureAs, measureHere } from '../../../agents/pilot/isolation/measure.ts'

const root = mkdtempSync(join(tmpdir(), 'pilotage-measure-'))
chmodSync(root, 0o711)
afterAll(() => rmSync(root, { recursive: true, force: true }))

const isRoot = process.getuid?.() === 0
const mib = 1024 * 1024
const limits = { diskBytes: 1024 * mib, entries: 100_000 }
const write = 'sub put { open(my $f, ">", $_[0]) or die; print $f "x" x (2 * 2**20); close $f }'
let count = 0

function make(script: string, uid?: number): string {
  count += 1
  const dir = join(root, `${count}.1`)
  makeDirectory(dir, uid)
  const asAccount = uid === undefined ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--']
  const [file = '', ...args] = [...asAccount, 'perl', '-e', `chdir "${dir}/home" or die; ${write} ${script}`]
  const made = spawnSync(file, args, { encoding: 'utf8', cwd: '/' })
  expect([made.status, made.stderr]).toEqual([0, ''])
  return dir
}

function byDu(dir: string): number {
  const { stdout } = spawnSync('du', ['-scxB1', join(dir, 'home'), join(dir, 'tmp')], { encoding: 'latin1' })
  return Number(/^(\d+)\ttotal$/m.exec(stdout)?.[1])
}

describe.each([
  ['nothing', ''],
  ['hard links of one file', 'put("a"); link("a", $_) for 1..9; mkdir "../tmp/d"; link("a", "../tmp/d/a")'],
  ['a file with holes', 'open(my $f, ">", "a"); truncate($f, 2**30)'],
  ['a folder whose name is not text', 'mkdir "\\xff"; put("\\xff/\\xfe")'],
  ['a file at the end of a path longer than the system takes', 'for (1..300) { mkdir "a" x 20; chdir "a" x 20 } put("a")'],
  ['links to what is large', 'symlink("/usr", "usr"); symlink("a" x 3000, "long")'],
])('%s', (_, script) => {
  it('is measured as du counts it', async () => {
    const dir = make(script)
    const expected = byDu(dir)
    const [here, asPilot] = [await measureHere(dir, [], limits, false), await measureAs(undefined, dir, [], true)]
    expect([here?.diskBytes, asPilot?.diskBytes, here?.isClosed]).toEqual([expected, expected, false])
    await removeDirectory(dir)
  })
})

it('stops where a limit is passed, and counts enough to say so', async () => {
  const dir = make('put($_) for 1..20; mkdir "d$_" for 1..20')
  const few = await measureHere(dir, [], { ...limits, entries: 10 }, false)
  expect(few?.entries).toBe(11)
  const small = await measureHere(dir, [], { ...limits, diskBytes: 5 * mib }, false)
  expect(small?.diskBytes).toBeGreaterThan(5 * mib)
  await removeDirectory(dir)
})

describe.skipIf(!isRoot)('a folder that is closed to its owner (not run unless as root)', () => {
  it.each([
    ['listed', 0o300],
    ['passed through', 0o600],
    ['opened at all', 0],
  ])('is said to be closed where it cannot be %s', async (_, mode) => {
    const uid = 61_970
    const dir = make(`mkdir "d"; put("d/a"); chmod ${mode}, "d"`, uid)
    expect((await measureAs(uid, dir, [], true))?.isClosed).toBe(true)
    const text = `import(${JSON.stringify(join(import.meta.dirname, '../../../agents/pilot/isolation/measure.ts'))}).then(async ({ measureHere }) => console.log((await measureHere(${JSON.stringify(dir)}, [], ${JSON.stringify(limits)}, false)).isClosed))`
    chownSync(dir, uid, uid)
    const ran = await runScript(uid, '"$@"', [process.execPath, '-e', text], 20_000)
    // Where the account may not run the Node of this test, nothing is printed.
    if (ran.isGood) expect(ran.stdout).toBe('true\n')
    rmSync(dir, { recursive: true })
  })
})
