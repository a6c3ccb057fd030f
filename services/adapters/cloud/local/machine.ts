/**
 * One local VM on disk: a directory named by its reference; how it is made and read, and how a dead VM is recognised.
 *
 *   <ref>/record.json   what was ordered, without secrets; written before anything is started
 *   <ref>/init.json     the first process, by number, start time and boot of this machine
 *   <ref>/booted        its boot delay is over
 *   <ref>/ending        its end was asked for, and when
 *   <ref>/root/         its file system; `init` and `runcmd` beside it are its scripts, `console.log` its console
 *
 * The directory reserves a VM id: the process that creates it makes the VM. What stays true: a service killed between any
 * two steps leaves a VM that is listed (as an error, if it was half made) and can be destroyed.
 */

import { spawn } from 'node:child_process'
import { chmodSync, closeSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { VmId } from '../../../../core/kernel/ids.ts'
import type { CloudVm } from '../../../../core/model/cloud.ts'
import type { VmShape } from '../../../../core/model/vm.ts'
import { initScript } from './init-script.ts'
import { bootId, isAlive, markerName, readProcess, type KnownProcess, type Process } from './processes.ts'
import type { UserData } from './user-data.ts'

export type MachineRecord = {
  readonly installation: string
  readonly vmId: VmId
  readonly createdMs: number
  readonly shape: VmShape
}

export type Machine = {
  readonly ref: string
  readonly vmId: VmId
  readonly directory: string
  /** Absent where the service was killed while it made the VM. */
  readonly record?: MachineRecord
  readonly init?: KnownProcess
  readonly booted: boolean
  readonly endingSinceMs?: number
  readonly createdMs: number
}

export type BootPlan = { readonly delayMs: number; readonly nodePath: string }

/** The cloud's id follows from ours, so that a second order for a VM meets the first one's directory. */
export function refFor(vmId: VmId): string {
  return `i-${vmId.slice('vm-'.length)}`
}

export function isRef(name: string): boolean {
  return /^i-[a-z0-9]{10}$/.test(name)
}

/** False, and no change, if the VM is there already. Everything after the directory may fail half-way: see the header. */
export function makeMachine(directory: string, record: MachineRecord, userData: UserData, boot: BootPlan): boolean {
  if (!claim(directory)) return false
  writePrivate(join(directory, 'record.json'), JSON.stringify(record))
  const root = join(directory, 'root')
  mkdirSync(join(root, 'tmp'), { recursive: true })
  for (const file of userData.files) {
    const path = join(root, file.path)
    mkdirSync(dirname(path), { recursive: true })
    // Private from its first moment, as it was asked for at the end, whatever the service's umask.
    writePrivate(path, file.content)
    chmodSync(path, file.mode)
  }
  writePrivate(join(directory, 'runcmd'), `${userData.commands.join('\n')}\n`)
  writePrivate(join(directory, 'init'), initScript)
  const init = startInit(directory, record.vmId, boot)
  writePrivate(join(directory, 'init.json'), JSON.stringify(init))
  return true
}

export function readMachine(directory: string, ref: string): Machine {
  const ending = readJson<number>(join(directory, 'ending'))
  const record = readJson<MachineRecord>(join(directory, 'record.json'))
  return {
    ref,
    vmId: `vm-${ref.slice('i-'.length)}` as VmId,
    directory,
    record,
    init: readJson<KnownProcess>(join(directory, 'init.json')),
    booted: exists(join(directory, 'booted')),
    endingSinceMs: ending,
    createdMs: record?.createdMs ?? statSync(directory).mtimeMs,
  }
}

/** The first request counts. */
export function markEnding(machine: Machine, nowMs: number): void {
  if (machine.endingSinceMs === undefined) writePrivate(join(machine.directory, 'ending'), JSON.stringify(nowMs))
}

export function asCloudVm(machine: Machine, all: readonly Process[], boot: string): CloudVm {
  const { ref, vmId, createdMs } = machine
  const seenAs = (power: CloudVm['power'], detail = ''): CloudVm => ({ ref, vmId, power, detail, createdMs })
  if (machine.endingSinceMs !== undefined) return seenAs('ending')
  if (!machine.record || !machine.init) return seenAs('error', 'the service ended while it made this VM')
  if (!isAlive(machine.init, all, boot)) return seenAs('stopped', 'its first process ended')
  return seenAs(machine.booted ? 'running' : 'building')
}

/** In a session of its own, so that it outlives the service, and with nothing of the service's environment. */
function startInit(directory: string, vmId: VmId, boot: BootPlan): KnownProcess {
  const root = join(directory, 'root')
  const console = openSync(join(directory, 'console.log'), 'a', 0o600)
  try {
    const delay = (boot.delayMs / 1000).toFixed(3)
    const child = spawn('/bin/sh', [join(directory, 'init'), delay, directory], {
      cwd: root,
      detached: true,
      stdio: ['ignore', console, console],
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        LANG: 'C.UTF-8',
        HOME: root,
        TMPDIR: join(root, 'tmp'),
        PILOTAGE_ROOT: root,
        PILOTAGE_NODE: boot.nodePath,
        [markerName]: vmId,
      },
    })
    child.unref()
    // The check below reports a failed start: a child without a process id was not started.
    child.on('error', () => {})
    const started = child.pid === undefined ? undefined : readProcess(child.pid)
    if (!started) throw new Error('its first process did not start')
    return { pid: started.pid, startTicks: started.startTicks, bootId: bootId() }
  } finally {
    closeSync(console)
  }
}

function claim(directory: string): boolean {
  try {
    mkdirSync(directory, { mode: 0o700 })
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw error
  }
}

function writePrivate(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 })
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

/** Nothing for what is missing or was cut short by a kill. */
function readJson<T>(path: string): T | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T
  } catch {
    return undefined
  }
}
