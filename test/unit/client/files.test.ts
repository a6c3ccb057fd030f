import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { inputPutter } from '../../../client/local-inputs.ts'
import type { NewJob } from '../../../client/new-job.ts'
import { writeReceived } from '../../../client/received-files.ts'
import { JobSpec } from '../../../proto/gen/pilotage/v1/job.ts'

const root = mkdtempSync(join(tmpdir(), 'pilotage-client-files-'))
let dir: string
let count = 0
afterAll(() => rmSync(root, { recursive: true, force: true }))
beforeEach(() => {
  count += 1
  dir = join(root, String(count), 'inside')
  mkdirSync(dir, { recursive: true })
})

async function* text(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part)
}

describe('a received file', () => {
  it('lies whole below the directory, with its executable bit, over one that was there', async () => {
    writeFileSync(join(dir, 'x'), 'old')
    await writeReceived(dir, { path: 'x', executable: false }, text('ne', 'w'))
    await writeReceived(dir, { path: 'a/b/run', executable: true }, text('run'))
    expect(readFileSync(join(dir, 'x'), 'utf8')).toBe('new')
    expect(statSync(join(dir, 'a/b/run')).mode & 0o100).toBe(0o100)
    expect(readdirSync(dir).sort()).toEqual(['a', 'x'])
  })

  it.each(['../out', '/tmp/out', 'a/../../out', '', 'a\\..\\out', './x', 'a\u0000b'])('%j is refused', async (path) => {
    await expect(writeReceived(dir, { path, executable: false }, text('x'))).rejects.toMatchObject({
      code: 'invalid-argument',
    })
    expect(readdirSync(join(dir, '..'))).toEqual(['inside'])
  })

  it('follows no link: neither for a folder, nor for the file, nor for the part beside it', async () => {
    const outside = join(dir, '..', 'outside')
    mkdirSync(outside)
    symlinkSync(outside, join(dir, 'folder'))
    await expect(writeReceived(dir, { path: 'folder/x', executable: false }, text('x'))).rejects.toMatchObject({
      code: 'conflict',
    })
    writeFileSync(join(outside, 'target'), 'stays')
    symlinkSync(join(outside, 'target'), join(dir, 'file'))
    symlinkSync(join(outside, 'target'), join(dir, 'file.part'))
    await writeReceived(dir, { path: 'file', executable: false }, text('mine'))
    expect(readFileSync(join(outside, 'target'), 'utf8')).toBe('stays')
    expect(readFileSync(join(dir, 'file'), 'utf8')).toBe('mine')
    expect(readdirSync(outside)).toEqual(['target'])
  })

  it('leaves nothing where its content breaks off', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half')
      throw new Error('broke')
    }
    await expect(writeReceived(dir, { path: 'x', executable: false }, broken())).rejects.toMatchObject({ code: 'conflict' })
    expect(readdirSync(dir)).toEqual([])
  })
})

function putting(missing: (digests: readonly string[]) => readonly string[] = (digests) => digests) {
  const sent: string[] = []
  const progress: string[] = []
  const putter = inputPutter(
    {
      missingFiles: async (digests) => missing(digests),
      async putFile(_, source, onSent) {
        const parts: Uint8Array[] = []
        for await (const part of source()) {
          onSent?.(part.length)
          parts.push(part)
        }
        sent.push(Buffer.concat(parts).toString())
      },
    },
    (done, total) => progress.push(`${done}/${total}`),
  )
  return { putter, sent, progress }
}

function job(...names: string[]): NewJob {
  const localInputs = names.map((from) => ({ from, path: from, executable: false }))
  return { ...JobSpec.fromPartial({ executable: 'true' }), localInputs }
}

describe('local files', () => {
  it('of several jobs are sent once each, folders with all that they hold, and only what is missing', async () => {
    mkdirSync(join(dir, 'data/deep'), { recursive: true })
    writeFileSync(join(dir, 'run.sh'), 'run', { mode: 0o755 })
    writeFileSync(join(dir, 'data/a'), 'aa')
    writeFileSync(join(dir, 'data/deep/b'), 'same')
    writeFileSync(join(dir, 'data/c'), 'same')
    const { putter, sent, progress } = putting()
    const [first, second] = await putter.put([job('run.sh', 'data'), job('run.sh')], dir)
    expect(first?.inputFiles.map(({ path, bytes, executable }) => [path, bytes, executable])).toEqual([
      ['run.sh', 3, true],
      ['data/a', 2, false],
      ['data/c', 4, false],
      ['data/deep/b', 4, false],
    ])
    expect(second?.inputFiles).toEqual([first?.inputFiles[0]])
    expect(first).not.toHaveProperty('localInputs')
    expect(sent.sort()).toEqual(['aa', 'run', 'same'])
    expect(progress.at(-1)).toBe('9/9')
    await putter.put([job('data')], dir)
    expect(sent).toHaveLength(3)
    const other = putting(() => [])
    await other.putter.put([job('data')], dir)
    expect(other.sent).toEqual([])
  })

  it.each([
    ['link', 'a link'],
    ['folder', 'a link'],
    ['through/a', 'a link or a file stands for a folder'],
    ['../inside/a', 'has . or ..'],
    ['absent', 'not found'],
    ['pipe', 'a special file'],
  ])('%s is refused: %s; nothing is sent', async (name, why) => {
    writeFileSync(join(dir, 'a'), 'a')
    symlinkSync('a', join(dir, 'link'))
    symlinkSync('.', join(dir, 'through'))
    mkdirSync(join(dir, 'folder'))
    symlinkSync('../a', join(dir, 'folder/inside'))
    const { execFileSync } = await import('node:child_process')
    execFileSync('mkfifo', [join(dir, 'pipe')])
    const { putter, sent } = putting()
    await expect(putter.put([job('a', name)], dir)).rejects.toMatchObject({
      code: 'invalid-argument',
      violations: [expect.objectContaining({ rule: expect.stringContaining(why) })],
    })
    expect(sent).toEqual([])
    expect(existsSync(join(dir, 'a'))).toBe(true)
  })
})
