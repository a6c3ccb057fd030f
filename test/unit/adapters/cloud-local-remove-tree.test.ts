/** Trees as payloads leave them, each made by a process and removed by another account than root, which modes close out. */

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { removeTree } from '../../../services/adapters/cloud/local/remove-tree.ts'

const top = mkdtempSync(join(tmpdir(), 'pilotage-trees-'))
afterAll(() => rmSync(top, { recursive: true, force: true }))

const module = join(import.meta.dirname, '../../../services/adapters/cloud/local/remove-tree.ts')
const isRoot = process.getuid?.() === 0
const uid = 61_900
const asAnother = ['/usr/bin/setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--']
const program = `import(${JSON.stringify(module)}).then(({ removeTree }) => removeTree(process.argv[1]))`

/** Root is closed out by no mode. */
function removeAsUser(path: string): void {
  const [file = '', ...args] = [...(isRoot ? asAnother : []), process.execPath, '-e', program, path]
  const ran = spawnSync(file, args, { encoding: 'utf8', cwd: '/' })
  expect(ran.stderr).toBe('')
}

const canRun =
  !isRoot ||
  spawnSync(asAnother[0] ?? '', [...asAnother.slice(1), process.execPath, '-e', `import(${JSON.stringify(module)})`])
    .status === 0

const trees: Readonly<Record<string, string>> = {
  'a path longer than the system takes': 'for (1..300) { mkdir "a" x 20; chdir "a" x 20 } open(my $f, ">", "f")',
  'the same, all closed': 'for (1..300) { mkdir "a" x 20; chdir "a" x 20 } for (1..300) { chdir ".."; chmod 0, "a" x 20 }',
  'a cache of modules':
    'mkdir "go"; mkdir "go/mod"; open(my $f, ">", "go/mod/f"); chmod 0444, "go/mod/f"; chmod 0555, "go/mod", "go"',
  'names that are not text, in closed folders':
    'mkdir "\\xff"; mkdir "\\xff/\\xfe"; open(my $f, ">", "\\xff/\\xfe/\\xfd"); chmod 0, "\\xff/\\xfe", "\\xff"',
  'the names that the removal itself uses':
    'for my $one (1..9) { mkdir "lifted-$one"; mkdir "lifted-$one/lifted-$_" for 1..9; chmod 0, "lifted-$one" } open(my $f, ">", "lifted-10")',
  'a closed top': 'mkdir "a"; chmod 0, "."',
}

describe.skipIf(!canRun)('a tree (not run where another account cannot start Node)', () => {
  it.each(Object.entries(trees))('with %s is removed', (name, script) => {
    const parent = join(top, `of ${name}`)
    for (const path of [parent, join(parent, 'tree')]) {
      mkdirSync(path)
      if (isRoot) chownSync(path, uid, uid)
    }
    chmodSync(top, 0o711)
    const made = spawnSync(
      isRoot ? (asAnother[0] ?? '') : 'perl',
      [...(isRoot ? [...asAnother.slice(1), 'perl'] : []), '-e', script],
      {
        cwd: join(parent, 'tree'),
        encoding: 'utf8',
      },
    )
    expect([made.status, made.stderr]).toEqual([0, ''])
    removeAsUser(join(parent, 'tree'))
    expect(readdirSync(parent)).toEqual([])
  })
})

it('leaves what a link leads to as it is, and finds nothing good', async () => {
  const [tree, kept] = [join(top, 'links'), join(top, 'kept')]
  mkdirSync(kept)
  writeFileSync(join(kept, 'file'), '')
  chmodSync(kept, 0o750)
  mkdirSync(tree)
  let deep = Buffer.from(tree)
  for (let depth = 0; depth < 2; depth += 1) {
    deep = Buffer.concat([deep, Buffer.from('/d')])
    mkdirSync(deep)
    symlinkSync(kept, Buffer.concat([deep, Buffer.from('/link')]))
  }
  spawnSync('perl', ['-e', 'for (1..300) { mkdir "a" x 20; chdir "a" x 20 } symlink($ARGV[0], "link")', kept], { cwd: tree })
  await Promise.all([removeTree(tree), removeTree(tree)])
  expect(existsSync(tree)).toBe(false)
  expect([readdirSync(kept), lstatSync(kept).mode & 0o777]).toEqual([['file'], 0o750])
  await removeTree(tree)
})
