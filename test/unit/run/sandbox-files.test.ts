/** Files on their whole way: from a user's directory by the command to a payload on this machine, and back. */

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Service, startService } from '../../../services/run/compose.ts'
import { run, type Ran } from '../../support/run-command.ts'

const dir = mkdtempSync(join(tmpdir(), 'pilotage-files-'))
const work = join(dir, 'work')
let service: Service

beforeAll(async () => {
  mkdirSync(work)
  service = await startService({ dataDir: join(dir, 'data'), config: { director: { interval: '200ms' } } })
}, 60_000)

afterAll(async () => {
  await service?.stop()
  rmSync(dir, { recursive: true, force: true })
})

function command(...argv: readonly string[]): Promise<Ran> {
  const common = ['--server', service.server, '--token-file', join(dir, 'data', 'admin.token')]
  return run([...argv, ...common], { workDir: work })
}

const scriptText = `#!/bin/sh
mkdir -p logs/deep
cat data/in.txt >logs/deep/copy.txt
head -c 300000 /dev/zero >zeros.bin
cp "$0" again.sh
ln -s /etc/hostname link.txt
mkfifo pipe.txt
echo done
`

it('bring input files with their executable bit, and fetch output files by name and pattern', async () => {
  writeFileSync(join(work, 'run.sh'), scriptText)
  chmodSync(join(work, 'run.sh'), 0o755)
  mkdirSync(join(work, 'data'))
  writeFileSync(join(work, 'data', 'in.txt'), 'input é\n')
  writeFileSync(
    join(work, 'job.yaml'),
    'executable: ./run.sh\ninputFiles: [run.sh, data]\noutputFiles: [logs/**, "*.bin", "*.txt", again.sh, absent]\nwallTime: 60s\n',
  )
  const submitted = await command('submit', join(work, 'job.yaml'), '--wait')
  expect(submitted.err).toBe('')
  expect(submitted.code, submitted.out).toBe(0)
  const id = /submitted one job: (\d+)/.exec(submitted.out)?.[1] ?? ''
  const listed = await command('output', id, '--list', '--json')
  const files = listed.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  // Neither the link nor the pipe.
  expect(files.map(({ path, bytes, executable }) => [path, bytes, executable])).toEqual([
    ['again.sh', scriptText.length, true],
    ['logs/deep/copy.txt', 9, false],
    ['zeros.bin', 300_000, false],
  ])
  const fetched = await command('output', id, '--all', '--dir', 'back')
  expect(fetched).toMatchObject({ code: 0, out: `wrote 5 files to ${join(work, 'back')}\n` })
  expect(readFileSync(join(work, 'back', 'logs', 'deep', 'copy.txt'), 'utf8')).toBe('input é\n')
  expect(readFileSync(join(work, 'back', 'zeros.bin'))).toEqual(Buffer.alloc(300_000))
  expect(readFileSync(join(work, 'back', 'stdout'), 'utf8')).toBe('done\n')
  expect(statSync(join(work, 'back', 'again.sh')).mode & 0o100).toBe(0o100)
  expect(statSync(join(work, 'back', 'zeros.bin')).mode & 0o100).toBe(0)
  const one = await command('output', id, '--name', 'zeros.bin', '--dir', 'one')
  expect(one).toMatchObject({ code: 0, out: `wrote 1 file to ${join(work, 'one')}\n` })
  const status = await command('status', id, '--json')
  expect(JSON.parse(status.out).result.detail).toBe(
    'output files that were not kept: no file matches *.txt; no file matches absent',
  )
}, 90_000)

it('refuses local files that are links or lie elsewhere, and sends nothing', async () => {
  writeFileSync(join(work, 'real.txt'), 'x')
  symlinkSync('real.txt', join(work, 'link'))
  symlinkSync('.', join(work, 'here'))
  for (const [file, why] of [
    ['link', 'a link'],
    ['here/real.txt', 'a link or a file stands for a folder of it'],
    ['../secret', 'has . or ..'],
    ['/etc/passwd', 'absolute'],
    ['nothing', 'not found'],
  ] as const) {
    writeFileSync(join(work, 'bad.json'), JSON.stringify({ executable: 'true', inputFiles: [file] }))
    const refused = await command('submit', join(work, 'bad.json'))
    expect(refused.code).toBe(1)
    expect(refused.err).toContain(why)
  }
})
