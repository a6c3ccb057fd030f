/**
 * A service of a command's own: started in a directory of its own, used, stopped, and looked after.
 *
 * What stays true: the service is stopped however the work ended; nothing is deleted that this program did not make; and a
 * process that still lives in the directory afterwards is named, not hidden.
 */

import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { until } from '../core/kernel/clock.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import type { PilotageClient } from '../client/pilotage-client.ts'
import type { OwnService, Setting } from './setting.ts'

/** Says that a directory is ours to empty. */
const markerFile = '.made-by-pilotage'
/** A local VM's processes get a stop signal, a grace and a kill when their VM ends. */
const leftoversMs = 15_000

export type Leftover = { readonly pid: number; readonly command: string }

/** The directory, there and empty. Refuses one with something in it that this program did not put there. */
export function emptyOwnDirectory(path: string): string {
  const dir = resolve(path)
  const entries = existsSync(dir) ? readdirSync(dir) : []
  if (entries.length > 0 && !entries.includes(markerFile)) {
    throw new PilotageError('conflict', `${dir} is not empty and was not made by this command: name another with --data`)
  }
  const left = processesIn(dir)
  if (left.length > 0) {
    throw new PilotageError('conflict', `${dir} is in use by process ${left.map(({ pid }) => pid).join(', ')}`)
  }
  for (const entry of entries) rmSync(join(dir, entry), { recursive: true, force: true })
  mkdirSync(dir, { recursive: true, mode: 0o700 })
  writeFileSync(join(dir, markerFile), 'Emptied by `pilotage demo` and `pilotage replay` when they start.\n')
  return dir
}

/** Answers what the work answered and who was still there afterwards. */
export async function withOwnService<Answer>(
  { clock, startService }: Setting,
  { dataDir, config }: { readonly dataDir: string; readonly config: object },
  work: (service: OwnService) => Promise<Answer>,
): Promise<{ readonly answer: Answer; readonly left: readonly Leftover[] }> {
  const service = await startService({ dataDir, config })
  let answer: Answer
  try {
    answer = await work(service)
  } finally {
    await service.stop()
  }
  await until(clock, () => processesIn(dataDir).length === 0, { withinMs: leftoversMs, everyMs: 200 })
  return { answer, left: processesIn(dataDir) }
}

/** True when the service has no VM any more: the idle ones have been stopped and the cloud has said so. */
export async function untilNoVms(setting: Setting, admin: PilotageClient, withinMs: number): Promise<boolean> {
  return until(
    setting.clock,
    async () => {
      const live = await admin.vms()
      if (live.length > 0) setting.terminal.progress(`waiting for ${live.length} idle VMs to stop`)
      return live.length === 0 || setting.signal.aborted
    },
    { withinMs, everyMs: 500 },
  )
}

/** Processes that work in the directory or were started from it. Found on Linux only; none elsewhere. */
export function processesIn(dir: string): readonly Leftover[] {
  if (!existsSync('/proc/self/cwd')) return []
  const here = resolve(dir)
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) return []
    const command = quietly(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim())
    const cwd = quietly(() => readlinkSync(`/proc/${pid}/cwd`))
    const inside = cwd === here || cwd.startsWith(`${here}/`) || command.includes(`${here}/`)
    return inside ? [{ pid, command: command.slice(0, 120) }] : []
  })
}

/** A process may end while it is looked at. */
function quietly(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}
