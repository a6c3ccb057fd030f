/** Output on a disk that takes no more: a file system of 64 KiB, which only root can make. */

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterAll, describe, expect, it } from 'vitest'
import { captureTo } from '../../../agents/pilot/capture.ts'
import { plainIsolation } from '../../../agents/pilot/isolation/plain-isolation.ts'
import { keepOutputs, type Unwritten } from '../../../agents/pilot/output.ts'
import { type Payload, startPayload } from '../../../agents/pilot/payload.ts'
import { startWatch } from '../../../agents/pilot/watch.ts'
import type { Uplink } from '../../../agents/kit/uplink.ts'
import type { Result } from '../../../core/model/attempt.ts'
import { nextTurn, systemClock } from '../../../core/kernel/clock.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import { systemRandom } from '../../../core/kernel/random.ts'
import { mib, shell } from './tasks.ts'

const clock = systemClock()
const root = mkdtempSync(join(tmpdir(), 'pilotage-capture-'))
const disk = join(root, 'disk')
mkdirSync(disk)
const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'pilotage', disk]).status === 0
afterAll(() => {
  if (isMounted) spawnSync('umount', [disk])
  rmSync(root, { recursive: true, force: true })
})

/** What the service gets. */
async function delivered(dir: string, unwritten: Unwritten): Promise<Record<string, Buffer>> {
  const got: Record<string, Buffer> = {}
  const putOutput: Uplink['putOutput'] = async (_, name, data) => void Object.assign(got, { [name]: Buffer.from(data) })
  const uplink = (): Uplink => ({ putOutput }) as Uplink
  const ref = { jobId: 1 as JobId, attempt: 1 }
  const signal = new AbortController().signal
  await keepOutputs({ dir, unwritten, ref, uplink, clock, random: systemRandom(), say: () => undefined, signal })
  return got
}

describe('a capture', () => {
  it('whose file cannot be made has all in memory, and no more than its bound', async () => {
    const stream = new PassThrough()
    const capture = captureTo(join(root, 'no', 'such', 'folder'), stream, 10)
    for (const text of ['abcd', 'efgh', 'ijkl']) stream.write(text)
    stream.end()
    await new Promise((resolve) => stream.once('end', resolve))
    const captured = capture.end()
    expect(captured).toMatchObject({ keptBytes: 10, droppedBytes: 2, failure: 'ENOENT' })
    expect(captured.unwritten.toString()).toBe('abcdefghij')
    expect(capture.end()).toBe(captured)
  })

  it('whose file takes all of it has nothing in memory', async () => {
    const stream = new PassThrough()
    const capture = captureTo(join(root, 'file'), stream, 5)
    stream.end('abcdefg')
    await new Promise((resolve) => stream.once('end', resolve))
    expect(capture.end()).toEqual({ keptBytes: 5, droppedBytes: 2, unwritten: Buffer.alloc(0), failure: '' })
    expect(readFileSync(join(root, 'file'), 'utf8')).toBe('abcde')
  })
})

it('is read while it is written, by the open file and not by its name', async () => {
  const stream = new PassThrough()
  const path = join(root, 'live')
  const capture = captureTo(path, stream, 100_000)
  expect(capture.read(0)).toMatchObject({ data: Buffer.alloc(0), isAll: true })
  stream.write('hello ')
  stream.write('world')
  await nextTurn(clock)
  rmSync(path)
  writeFileSync(path, 'a secret of the machine')
  expect(capture.read(0).data.toString()).toBe('hello world')
  expect(capture.read(6)).toMatchObject({ data: Buffer.from('world'), isAll: true })
  expect(capture.read(500).data).toHaveLength(0)
  stream.write(Buffer.alloc(70_000, 'x'))
  await nextTurn(clock)
  const { data, isAll } = capture.read(0)
  expect([data.length, isAll]).toEqual([64 * 1024, false])
  expect(capture.read(64 * 1024)).toMatchObject({ isAll: true })
  capture.end()
  expect(capture.read(0).data).toHaveLength(0)
})

describe.skipIf(!isMounted)('a payload on a disk that is full (not run where no file system can be mounted)', () => {
  const watch = startWatch(clock, process.pid)

  async function run(script: string, name: string): Promise<{ result: Result; payload: Payload; dir: string }> {
    const dir = join(disk, name)
    const confinement = plainIsolation().confine('1.1', dir, 0)
    if (!confinement) throw new Error('there is no place for it')
    const task = shell(script, { diskBytes: 1024 * mib, wallMs: 50_000 })
    const payload = startPayload({ vmId: 'vm-payloads00' as VmId, task, dir, clock, watch, confinement })
    return { result: await payload.done, payload, dir }
  }

  const fill = `cat /dev/zero > ${disk}/full 2>/dev/null; seq 20000; echo error >&2; seq 20001 20010`
  const numbers = `${Array.from({ length: 20_010 }, (_, at) => at + 1).join('\n')}\n`

  it('keeps its output, and says how', { timeout: 60_000 }, async () => {
    const { result, payload, dir } = await run(fill, '1.1')
    expect(result).toMatchObject({
      end: 'exited',
      exitCode: 0,
      droppedBytes: 0,
      stdoutBytes: numbers.length,
      stderrBytes: 6,
    })
    expect(result.detail).toMatch(
      /^the disk of the VM could not be written \(ENOSPC\): .* KiB of its output were kept in memory$/,
    )
    const got = await delivered(dir, payload.unwritten())
    expect(got.stdout?.toString()).toBe(numbers)
    expect(got.stderr?.toString()).toBe('error\n')
    rmSync(join(disk, 'full'))
    rmSync(dir, { recursive: true })
  })

  it('has it in its files where there was room again before its end', { timeout: 60_000 }, async () => {
    const script = `cat /dev/zero > ${disk}/full 2>/dev/null; seq 1000; sleep 0.5; rm ${disk}/full`
    const { result, payload, dir } = await run(script, '2.1')
    expect([result.detail, result.stdoutBytes]).toEqual(['', 3893])
    expect(payload.unwritten().stdout).toHaveLength(0)
    expect(readFileSync(join(dir, 'stdout'))).toHaveLength(3893)
    rmSync(dir, { recursive: true })
  })
})
