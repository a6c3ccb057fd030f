/**
 * An errand: a script of ours that runs with a payload's own authority, in its view of the machine and in its directory,
 * before the payload begins or after nothing of it runs any more.
 *
 * It is started as the payload is, so a link that a stranger made leads it nowhere that the payload could not go by itself,
 * and nothing that has power follows a path of the payload. The script is POSIX shell; what it needs to know comes on its
 * input, and what it answers is not trusted.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { assert } from '../../core/kernel/assert.ts'
import { plainEnvironment } from './isolation/as-account.ts'
import type { Confinement } from './isolation/isolation.ts'
import { launchBytes, specDescriptor, statusDescriptor } from './isolation/launcher.ts'

export type ErrandOptions = {
  readonly confinement: Confinement
  /** The payload's directory. */
  readonly dir: string
  readonly script: string
  readonly args: readonly string[]
}

export type Errand = {
  readonly input: Writable
  readonly output: Readable
  /** Resolves when it is over: its exit code (undefined: it was killed or not started), and what it said of an error. */
  readonly over: Promise<{ readonly code: number | undefined; readonly said: string }>
  /** Repeating it is harmless. */
  kill(): void
}

const saidLength = 300

/** Throws where it cannot be started at all. */
export function startErrand({ confinement, dir, script, args }: ErrandOptions): Errand {
  const child = started(confinement, join(dir, 'home'), ['-c', script, 'sh', ...args])
  const { stdin, stdout, stderr } = child
  assert(stdin !== null && stdout !== null && stderr !== null, 'an errand has pipes')
  let said = ''
  stderr.on('data', (data: Buffer) => {
    if (said.length < saidLength) said += data.toString('latin1')
  })
  // What it reads no more, and what it says no more, shows in its end.
  for (const stream of [stdin, stdout, stderr]) stream.on('error', () => undefined)
  const over = new Promise<{ code: number | undefined; said: string }>((resolve) => {
    const end = (code: number | undefined): void => resolve({ code, said: said.trim().slice(0, saidLength) })
    child.on('error', (error) => {
      said ||= error.message
      end(undefined)
    })
    child.on('close', (code) => end(code ?? undefined))
  })
  return {
    input: stdin,
    output: stdout,
    over,
    kill() {
      // Output that is not read any more would keep it from being over.
      stdin.destroy()
      stdout.destroy()
      // Its group: what stands before the script, and the script.
      if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) endGroup(child.pid)
    },
  }
}

function started(confinement: Confinement, cwd: string, args: readonly string[]): ChildProcess {
  const { command, mode } = confinement
  if (mode === 'direct') {
    return spawn('/bin/sh', [...args], { cwd, env: plainEnvironment, detached: true, stdio: ['pipe', 'pipe', 'pipe'] })
  }
  const spec = launchBytes({ mode, cwd, environment: plainEnvironment, executable: '/bin/sh', arguments: args })
  const [file = '', ...rest] = command
  const child = spawn(file, rest, {
    cwd: '/',
    env: plainEnvironment,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
  })
  const [input, status] = [child.stdio[specDescriptor] as Writable, child.stdio[statusDescriptor] as Readable]
  for (const stream of [input, status]) stream.on('error', () => undefined)
  status.resume()
  input.end(spec)
  return child
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It is over already.
  }
}

/** What an errand says, piece by piece: lines, and content of a known length. */
export type Reader = {
  /** Without its end; undefined: nothing more comes. At most `maxLength` bytes. */
  line(maxLength: number): Promise<string | undefined>
  /** Throws where less comes. */
  content(bytes: number): AsyncGenerator<Uint8Array, void, undefined>
}

const newline = 10

export function readerOf(stream: Readable): Reader {
  const pieces = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  let rest: Buffer = Buffer.alloc(0)

  async function more(): Promise<boolean> {
    const next = await pieces.next()
    if (next.done) return false
    rest = rest.length === 0 ? next.value : Buffer.concat([rest, next.value])
    return true
  }

  return {
    async line(maxLength) {
      for (;;) {
        const end = rest.indexOf(newline)
        if (end >= 0) {
          const text = rest.toString('latin1', 0, end)
          rest = rest.subarray(end + 1)
          return text
        }
        if (rest.length > maxLength) throw new Error('an errand says a line that is too long')
        if (!(await more())) return undefined
      }
    },
    async *content(bytes) {
      let left = bytes
      while (left > 0) {
        if (rest.length === 0 && !(await more())) throw new Error(`an errand ended ${left} bytes early`)
        const piece = rest.subarray(0, left)
        rest = rest.subarray(piece.length)
        left -= piece.length
        if (piece.length > 0) yield piece
      }
    },
  }
}
