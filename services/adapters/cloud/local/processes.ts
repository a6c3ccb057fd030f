/**
 * The processes of this machine, as /proc lists them, and which of them belong to a VM.
 *
 * A process belongs to a VM if it carries the VM's marker in its environment, or stands in init's session, or descends from
 * one that does, or stands in a session or group led by one that does. Payloads leave the session but keep the marker; a
 * payload that wipes its environment keeps its parent or its leader. What stays true: a process is never taken for another
 * that had its number before, because a number counts only together with its start time and the machine's boot.
 */

import { readdirSync, readFileSync } from 'node:fs'

export type Process = {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly session: number
  /** T: stopped by a signal. Zombie processes are left out. */
  readonly state: string
  readonly startTicks: number
  /** The VM id that it carries, or nothing. */
  readonly marker: string
}

/** A process that is known again later, also by another service and after a boot of the machine. */
export type KnownProcess = { readonly pid: number; readonly startTicks: number; readonly bootId: string }

export const markerName = 'PILOTAGE_VM_ID'

export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
}

/** All that run. What ends while we read is left out; what we may not look into has no marker. */
export function readProcesses(): readonly Process[] {
  return readdirSync('/proc').flatMap((name) => {
    const process = /^\d+$/.test(name) ? readProcess(Number(name)) : undefined
    return process === undefined ? [] : [process]
  })
}

export function readProcess(pid: number): Process | undefined {
  const stat = readText(`/proc/${pid}/stat`)
  // The command stands in brackets and may hold anything, brackets too: the fields begin after the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state = '', parent, group, session] = fields
  if (state === '' || state === 'Z' || state === 'X') return undefined
  return {
    pid,
    parent: Number(parent),
    group: Number(group),
    session: Number(session),
    state,
    startTicks: Number(fields[19]),
    marker: markerOf(pid),
  }
}

export function isAlive(known: KnownProcess, all: readonly Process[], boot: string): boolean {
  return known.bootId === boot && all.some(({ pid, startTicks }) => pid === known.pid && startTicks === known.startTicks)
}

/** Never the calling process itself, even where it runs on a VM of this kind. */
export function processesOf(
  vmId: string,
  init: KnownProcess | undefined,
  all: readonly Process[],
  boot: string,
): readonly Process[] {
  const others = all.filter(({ pid }) => pid !== process.pid && pid > 1)
  // Init's number is a session of the VM only as long as no other process has got that number.
  const session = init?.bootId === boot && !isTaken(init, all) ? init.pid : 0
  const mine = new Map(
    others.filter((one) => one.marker === vmId || (session > 0 && one.session === session)).map((one) => [one.pid, one]),
  )
  for (let size = -1; size !== mine.size; ) {
    size = mine.size
    for (const one of others) {
      // Another VM's marker is stronger than any kinship: a service may itself run on a VM and start more.
      if (one.marker !== '' && one.marker !== vmId) continue
      if (mine.has(one.parent) || mine.has(one.session) || mine.has(one.group)) mine.set(one.pid, one)
    }
  }
  return [...mine.values()]
}

/** To each process that is still the one that was read. */
export function signalAll(processes: readonly Process[], signal: NodeJS.Signals): void {
  for (const { pid, startTicks } of processes) {
    if (readProcess(pid)?.startTicks !== startTicks) continue
    try {
      process.kill(pid, signal)
    } catch {
      // It ended in between, which is as good; one that we may not signal is seen again by who asked for it.
    }
  }
}

function isTaken(init: KnownProcess, all: readonly Process[]): boolean {
  return all.some(({ pid, startTicks }) => pid === init.pid && startTicks !== init.startTicks)
}

function markerOf(pid: number): string {
  const environment = `\0${readText(`/proc/${pid}/environ`)}`
  const start = environment.indexOf(`\0${markerName}=`)
  if (start < 0) return ''
  const from = start + markerName.length + 2
  const end = environment.indexOf('\0', from)
  return environment.slice(from, end < 0 ? undefined : end)
}

/** Empty for what is gone or closed to us. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
