/**
 * The start of a payload behind its steps, and what the launcher says of it: how far it came, and how the payload ended.
 *
 * Decides what a shell would answer where a program cannot be run. Knows neither limits nor leases.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { constants as osConstants } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { type Clock, sleep } from '../../core/kernel/clock.ts'
import type { VmId } from '../../core/kernel/ids.ts'
import type { Fence } from './cgroup.ts'
import { payloadEnvironment, stepEnvironment } from './environment.ts'
import type { Task } from './held.ts'
import type { Confinement } from './isolation/isolation.ts'
import { launchBytes, type LaunchStatus, launchStatus, specDescriptor, statusDescriptor } from './isolation/launcher.ts'

export type LaunchOptions = {
  readonly vmId: VmId
  readonly task: Task
  readonly dir: string
  readonly confinement: Confinement
  readonly fence?: Fence
  /** Its GPUs by their indexes; undefined: the VM has none. */
  readonly gpus?: readonly number[]
}

/** The launcher writes a few words. */
const statusLength = 300
/** Its pipe is closed with its end; where it is not, what it has said is all that there is. */
const statusCloseMs = 1000

/** What every program may expect; a payload may set its own. The launcher sets the same. */
const payloadUmask = 0o022
/**
 * Node gives its children its own soft limit of open files, which it has raised to the hard one: programs that count on
 * 1024, or close all that they may have, fail or crawl. A core file would count as the payload's disk. Both are soft: a
 * payload may raise them.
 */
const limitsScript =
  'h=$(ulimit -Hn); [ "$h" != unlimited ] && [ "$h" -lt 1024 ] || ulimit -Sn 1024; ulimit -Sc 0; exec "$@"'
const limitsStep: readonly string[] = ['/bin/sh', '-c', limitsScript, 'sh']

/**
 * Without a launcher no step stands before the payload, and it is started as it is, with the pilot's limits. Throws where
 * nothing can be started.
 */
export function launch({ task, dir, vmId, confinement, fence, gpus }: LaunchOptions): ChildProcess {
  const { command, mode } = confinement
  const { executable, arguments: args } = task.spec
  const [environment, cwd] = [payloadEnvironment(task, dir, vmId, gpus), join(dir, 'home')]
  if (mode === 'direct') {
    confinement.prepare()
    return withUmask(payloadUmask, () =>
      spawn(executable, [...args], { cwd, env: environment, detached: true, stdio: ['ignore', 'pipe', 'pipe'] }),
    )
  }
  const spec = launchBytes({ mode, cwd, environment, executable, arguments: args })
  confinement.prepare()
  const [file = '', ...rest] = [...(fence?.prefix ?? []), ...limitsStep, ...command]
  const child = spawn(file, rest, {
    cwd: '/',
    env: stepEnvironment(vmId),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
  })
  const input = child.stdio[specDescriptor] as Writable | null
  // A step that fails reads nothing of it; the status says so.
  input?.on('error', () => undefined)
  input?.end(spec)
  return child
}

/** A child has the mask of the moment when it is started. Our own files name their modes. */
function withUmask<T>(mask: number, start: () => T): T {
  const before = process.umask(mask)
  try {
    return start()
  } finally {
    process.umask(before)
  }
}

/**
 * `onReady`: called with the launcher's first word, right before the payload. Resolves with all that the launcher said, once
 * the payload's first process is over; undefined where there is no launcher.
 */
export function statusOf(child: ChildProcess, clock: Clock, onReady: () => void): Promise<LaunchStatus | undefined> {
  const stream = child.stdio[statusDescriptor] as Readable | null | undefined
  if (!stream) return Promise.resolve(undefined)
  let text = ''
  stream.on('data', (data: Buffer) => {
    if (text === '') onReady()
    if (text.length < statusLength) text += data.toString('latin1')
  })
  const closed = new Promise<void>((resolve) => {
    stream.on('close', resolve)
    stream.on('error', () => resolve())
  })
  const exited = new Promise<void>((resolve) => child.on('exit', () => resolve()))
  return exited
    .then(() => Promise.race([closed, sleep(clock, statusCloseMs)]))
    .then(() => {
      stream.destroy()
      return launchStatus(text)
    })
}

/** Undefined: the payload was never reached. */
export function endOf(
  { code, signal }: { readonly code: number; readonly signal: string },
  status: LaunchStatus | undefined,
): { readonly code: number; readonly signal: string } | undefined {
  switch (status?.kind) {
    case undefined:
      return { code, signal }
    case 'not-reached':
      return undefined
    case 'no-exec':
      return { code: isAbsent(status.errno) ? 127 : 126, signal: '' }
    case 'ran':
      if (status.wait === undefined) return { code, signal }
      return { code: status.wait >> 8, signal: signalName(status.wait & 0x7f) }
  }
}

export function noExecText(status: LaunchStatus | undefined): string | undefined {
  if (status?.kind !== 'no-exec') return undefined
  return isAbsent(status.errno) ? 'no such executable' : 'not executable'
}

const { ENOENT, ENOTDIR } = osConstants.errno

function isAbsent(errno: number): boolean {
  return errno === ENOENT || errno === ENOTDIR
}

function signalName(number: number): string {
  if (number === 0) return ''
  return Object.entries(osConstants.signals).find(([, value]) => value === number)?.[0] ?? `signal ${number}`
}
