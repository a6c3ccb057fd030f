/**
 * All VMs of one cloud's directory: finding them, signalling everything of one, and burying those that ended.
 *
 * Knows directories and processes, and no orders. What stays true: a VM is buried as soon as nothing of it is left running,
 * and what remains of it then is its record and its console, for the last fifty. Files that cannot be removed keep no VM
 * from its end: they lie among the ended VMs, and the next burial tries again.
 */

import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { until, type Clock } from '../../../../core/kernel/clock.ts'
import type { VmId } from '../../../../core/kernel/ids.ts'
import { consoleBytes } from '../../../../core/kernel/limits.ts'
import { isRef, readMachine, type Machine } from './machine.ts'
import { bootId, processesOf, readProcesses, signalAll, type KnownProcess, type Process } from './processes.ts'
import { removeTree } from './remove-tree.ts'

/** Consoles of ended VMs that are kept. */
const keptConsoles = 50
/** Of an ended VM: its files, which hold secrets, and its scripts. */
const notKept = ['root', 'init', 'runcmd']
/** After this time the files of an ended VM are left over: its own burial has failed, or its service was killed. */
const leftoverMs = 60_000
/** A killed process is gone in milliseconds unless it hangs in the kernel: then it is asked again later. */
const signalMs = 2000

/** Makes the directory if it is not there. */
export function openHome(home: string): void {
  mkdirSync(endedIn(home), { recursive: true, mode: 0o700 })
}

function endedIn(home: string): string {
  return join(home, 'ended')
}

/** One that was not buried; nothing for any other name, well-formed or not. */
export function findMachine(home: string, ref: string): Machine | undefined {
  const directory = join(home, ref)
  return isRef(ref) && isThere(directory) ? readMachine(directory, ref) : undefined
}

/** Throws where the directory cannot be read: a part of the list would look like machines that ended. */
export function allMachines(home: string): readonly Machine[] {
  return readdirSync(home).flatMap((ref) => findMachine(home, ref) ?? [])
}

export function wasBuried(home: string, ref: string): boolean {
  return isRef(ref) && isThere(join(endedIn(home), ref))
}

export function processesNow(of: { readonly vmId: VmId; readonly init?: KnownProcess }): readonly Process[] {
  return processesOf(of.vmId, of.init, readProcesses(), bootId())
}

/** Repeats the signal, since a process can start a child in between. False: some processes are left after two seconds. */
export async function signalMachine(
  machine: Machine,
  signal: NodeJS.Signals,
  isDone: (left: readonly Process[]) => boolean,
  clock: Clock,
): Promise<boolean> {
  const signalled = (): boolean => {
    const left = processesNow(machine)
    if (isDone(left)) return true
    signalAll(left, signal)
    return false
  }
  return until(clock, signalled, { withinMs: signalMs, everyMs: 10 })
}

export function killMachine(machine: Machine, clock: Clock): Promise<boolean> {
  return signalMachine(machine, 'SIGKILL', (left) => left.length === 0, clock)
}

/** Harmless to repeat, also at once: the second finds nothing to do. */
export async function bury(home: string, { ref, directory }: Machine): Promise<void> {
  // One rename, since a list may run at the same time: it would take a directory moved piece by piece for a half made VM.
  if (isThere(directory)) renameSync(directory, join(endedIn(home), ref))
  await removeParts(join(endedIn(home), ref))
  await clearEnded(endedIn(home))
}

/** What cannot be removed now stays for a later burial. */
async function removeParts(directory: string): Promise<void> {
  for (const part of notKept) await removeTree(join(directory, part)).catch(() => undefined)
}

/** Of a VM that runs or was buried; empty where there is none. */
export async function readConsole(home: string, ref: string): Promise<string> {
  const places = isRef(ref) ? [join(home, ref), join(endedIn(home), ref)] : []
  const path = places.map((place) => join(place, 'console.log')).find(isThere)
  if (path === undefined) return ''
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const length = Math.min(size, consoleBytes)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}

/** Of the last ended VMs, records and consoles stay; of the others, nothing. */
async function clearEnded(directory: string): Promise<void> {
  const ended = (await readdir(directory)).map((ref) => {
    const path = join(directory, ref)
    const stat = statSync(path, { throwIfNoEntry: false })
    return { path, endedMs: stat?.mtimeMs ?? 0, changedMs: stat?.ctimeMs ?? 0 }
  })
  const last = ended.sort((a, b) => b.endedMs - a.endedMs).splice(0, keptConsoles)
  for (const { path } of ended) await removeTree(path).catch(() => undefined)
  const newestMs = Math.max(...last.map(({ changedMs }) => changedMs))
  // Not those that another burial is removing now.
  for (const { path, changedMs } of last) if (changedMs < newestMs - leftoverMs) await removeParts(path)
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}
