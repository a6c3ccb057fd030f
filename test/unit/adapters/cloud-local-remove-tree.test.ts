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

/** `perl SCRIPT PID` makes the tree in the current folder, and the process of that number removes it. */
const makeAndRemove = 'perl -e "$1" $$ && tree=$PWD && cd / && exec "$2" -e "$3" "$tree"'

/** Root is closed out by no mode. */
function makeAndRemoveAsUser(path: string, script: string): void {
  const [file = '', ...args] = [...(isRoot ? asAnother : []), '/bin/sh', '-c', makeAndRemove]
  const ran = spawnSync(file, [...args, 'sh', script, process.execPath, program], { encoding: 'utf8', cwd: path })
  expect([ran.status, ran.stderr]).toEqual([0, ''])
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
    'for my $fd (10..60) { for my $one (1..9) { my $name = "lifted-$ARGV[0]-$fd-$one"; mkdir $name; mkdir "$name/$_" for 1..2; chmod 0, $name } }',
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
    makeAndRemoveAsUser(join(parent, 'tree'), script)
    expect(readdirSync(parent)).toEqual([])
  })
})

it('removes a tree that five others remove at the same time', async () => {
  for (let round = 0; round < 3; round += 1) {
    const tree = join(top, `shared-${round}`)
    mkdirSync(tree)
    spawnSync('perl', ['-e', 'for (1..220) { mkdir "a" x 20; mkdir "b"; chdir "a" x 20 }'], { cwd: tree })
    await Promise.all(Array.from({ length: 6 }, () => removeTree(tree)))
    expect(existsSync(tree)).toBe(false)
  }
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
