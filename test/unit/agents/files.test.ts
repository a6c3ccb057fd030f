/** Input and output files of payloads, under every isolation that this machine offers; the test plays the service. */

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { fetchInputs } from '../../../agents/pilot/input-files.ts'
import type { Confinement, Isolation } from '../../../agents/pilot/isolation/isolation.ts'
import { keepOutputFiles } from '../../../agents/pilot/output-files.ts'
import { startPayload } from '../../../agents/pilot/payload.ts'
import { startWatch } from '../../../agents/pilot/watch.ts'
import type { Uplink } from '../../../agents/kit/uplink.ts'
import { systemClock } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import { systemRandom } from '../../../core/kernel/random.ts'
import type { InputFile } from '../../../core/model/sandbox-file.ts'
import { isolationKinds, workPlace } from './isolation-kinds.ts'
import { shell } from './tasks.ts'

const clock = systemClock()
const random = systemRandom()
const root = workPlace()
const watch = startWatch(clock, process.pid)
afterAll(() => rmSync(root, { recursive: true, force: true }))

const contents = new Map([
  ['run.sh', Buffer.from('#!/bin/sh\necho ran "$1"\n')],
  ['data/a b.bin', Buffer.alloc(200_000, 5)],
  ['empty', Buffer.alloc(0)],
])

function input(path: string, changes: Partial<InputFile> = {}): InputFile {
  const data = contents.get(path) ?? Buffer.alloc(0)
  const digest = createHash('sha256').update(data).digest('hex')
  return { path, digest, bytes: data.length, executable: path.endsWith('.sh'), ...changes }
}

type Kept = { readonly executable: boolean; readonly data: Buffer }

/** A service that has these contents, and takes what it is given. */
function service(fail: (path: string) => void = () => {}) {
  const kept = new Map<string, Kept>()
  const uplink = {
    async *fetchInput(_: unknown, path: string) {
      fail(path)
      const data = contents.get(path)
      if (!data) throw new PilotageError('not-found', `no ${path}`)
      for (let at = 0; at < data.length; at += 65_536) yield data.subarray(at, at + 65_536)
    },
    async putOutputFile(
      _: unknown,
      file: { path: string; digest: string; executable: boolean },
      pieces: AsyncIterable<Uint8Array>,
    ) {
      fail(file.path)
      const parts: Uint8Array[] = []
      for await (const piece of pieces) parts.push(Uint8Array.from(piece))
      const data = Buffer.concat(parts)
      expect(createHash('sha256').update(data).digest('hex')).toBe(file.digest)
      kept.set(file.path, { executable: file.executable, data })
    },
  } as unknown as Uplink
  return { kept, uplink }
}

let count = 0

function place(isolation: Isolation) {
  count += 1
  const [key, dir] = [`${count}.1`, join(root, `${count}.1`)]
  const confinement = isolation.confine(key, dir, 256 * 1024 * 1024)
  if (!confinement) throw new Error('no account is free')
  return { dir, confinement, ref: { jobId: count as JobId, attempt: 1 } }
}

type Place = ReturnType<typeof place>

function options({ dir, confinement, ref }: Place, uplink: Uplink | undefined, signal = new AbortController().signal) {
  return { dir, confinement, ref, uplink: () => uplink, clock, random, signal }
}

async function run({ dir, confinement }: Place, script: string, isPrepared = false) {
  const prepared: Confinement = isPrepared ? { ...confinement, prepare: () => undefined } : confinement
  const task = shell(script)
  const payload = startPayload({ vmId: 'vm-files00000' as VmId, task, dir, clock, watch, confinement: prepared })
  const result = await payload.done
  return { ...result, stdout: readFileSync(join(dir, 'stdout'), 'utf8') }
}

const kinds = await isolationKinds([], 62_500)

describe.each(kinds.map((kind) => [kind.name, kind] as const))('under %s', (_, { isolation, why }) => {
  describe.skipIf(why !== '')(why === '' ? 'files' : `files (not run: ${why})`, () => {
    it('come whole, with their executable bit, as files of the payload', async () => {
      const here = place(isolation)
      here.confinement.prepare()
      const files = [...contents.keys()].map((path) => input(path))
      expect(await fetchInputs({ ...options(here, service().uplink), files })).toEqual({ ok: true })
      const script =
        './run.sh x; sha256sum "data/a b.bin" empty; [ -x run.sh ] && [ ! -x empty ] && [ -O run.sh ] && rm run.sh && echo own'
      const ran = await run(here, script, true)
      const sums = ['data/a b.bin', 'empty'].map((path) => `${input(path).digest}  ${path}\n`)
      expect(ran).toMatchObject({ end: 'exited', exitCode: 0, stdout: `ran x\n${sums.join('')}own\n` })
      await here.confinement.remove()
      expect(existsSync(here.dir)).toBe(false)
    })

    it('that the service does not have, or that are others, keep the payload from being started', async () => {
      const here = place(isolation)
      here.confinement.prepare()
      const given = options(here, service().uplink)
      const absent = await fetchInputs({ ...given, files: [input('run.sh'), input('absent', { bytes: 1 })] })
      expect(absent).toEqual({ ok: false, fault: 'service', why: 'input file absent could not be fetched: no absent' })
      const changed = await fetchInputs({ ...given, files: [input('run.sh', { digest: 'f'.repeat(64) })] })
      expect(changed).toMatchObject({ ok: false, fault: 'service', why: expect.stringContaining('not the content') })
      const longer = await fetchInputs({ ...given, files: [input('run.sh', { bytes: 3 })] })
      expect(longer).toMatchObject({ ok: false, fault: 'service', why: expect.stringContaining('not the content') })
      await here.confinement.remove()
    })

    it('are fetched again while the service is unreachable, each once it is there', async () => {
      const here = place(isolation)
      here.confinement.prepare()
      let failures = 2
      const { uplink } = service((path) => {
        if (path === 'empty' && failures-- > 0) throw new PilotageError('unavailable', 'gone for a moment')
      })
      const files = [...contents.keys()].map((path) => input(path))
      expect(await fetchInputs({ ...options(here, uplink), files })).toEqual({ ok: true })
      await here.confinement.remove()
    })

    it('are kept by name and pattern: regular files alone, and nothing that a link leads to', async () => {
      const here = place(isolation)
      const secret = join(root, 'secret')
      writeFileSync(secret, 'not for payloads', { mode: 0o600 })
      const script = [
        'mkdir -p logs/deep closed; echo one >logs/a.log; echo two >logs/deep/b.log; echo no >other',
        'printf "x%.0s" $(seq 1000) >hist.root; chmod 755 hist.root',
        `ln -s ${secret} link.root; ln ${secret} hard.root 2>/dev/null; ln -s ${root} logs/away; mkfifo pipe.root`,
        'echo three >closed/c.log; chmod 000 closed; printf z >"$(printf "odd\\nname.root")"; printf w >"$(printf "\\377.root")"',
        'exit 3',
      ].join('\n')
      const ran = await run(here, script)
      expect(ran).toMatchObject({ end: 'exited', exitCode: 3 })
      const { kept, uplink } = service()
      const lost = await keepOutputFiles({ ...options(here, uplink), patterns: ['*.root', 'logs', 'closed/**', 'none'] })
      const read = [...kept].map(([path, { data, executable }]) => [path, data.toString().slice(0, 5), executable])
      // Where pilot and payload are one account, a hard link is a file of that account, and root reads a closed folder.
      const isOne = (path: unknown) => path === 'hard.root' || (isolation.kind === 'plain' && path === 'closed/c.log')
      expect(read.filter(([path]) => !isOne(path))).toEqual([
        ['hist.root', 'xxxxx', true],
        ['logs/a.log', 'one\n', false],
        ['logs/deep/b.log', 'two\n', false],
      ])
      expect(lost).toContain('2 files with a name that a sandbox does not take')
      if (isolation.kind !== 'plain') expect(lost).toContain('no file matches closed/**')
      expect(lost).toContain('no file matches none')
      await here.confinement.remove()
      expect(existsSync(here.dir)).toBe(false)
    })
  })
})

describe('output files', () => {
  const plain = kinds.find(({ name }) => name === 'plain')?.isolation as Isolation

  it('beyond a limit that the service says are left out, with its words, and the others are kept', async () => {
    const here = place(plain)
    await run(here, 'echo a >a.txt; echo b >b.txt; echo c >c.txt')
    const { kept, uplink } = service((path) => {
      if (path === 'b.txt') throw new PilotageError('quota-exceeded', 'it does not fit: at most 1 B would fit')
    })
    const lost = await keepOutputFiles({ ...options(here, uplink), patterns: ['*.txt'] })
    expect([...kept.keys()]).toEqual(['a.txt', 'c.txt'])
    expect(lost).toBe('output files that were not kept: b.txt: it does not fit: at most 1 B would fit')
    await here.confinement.remove()
  })

  it('wait for contact, and end when the pilot is stopped', async () => {
    const here = place(plain)
    await run(here, 'echo a >a.txt')
    const stop = new AbortController()
    const keeping = keepOutputFiles({ ...options(here, undefined, stop.signal), patterns: ['*.txt'] })
    clock.after(200, () => stop.abort())
    expect(await keeping).toContain('a.txt: the pilot was stopped')
    mkdirSync(join(root, 'done'))
    await here.confinement.remove()
  })
})
