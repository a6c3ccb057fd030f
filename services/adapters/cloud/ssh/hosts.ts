/**
 * What is done on a host: it is looked at, claimed and started, given back, and its console read. Turns what its scripts say
 * into what is so; which VM goes to which host is decided elsewhere.
 */

import { createHash } from 'node:crypto'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import { isVmId, type VmId } from '../../../../core/kernel/ids.ts'
import type { CloudVm } from '../../../../core/model/cloud.ts'
import type { HostNotes, NotesByHost } from './host-notes.ts'
import { type KnownHost, type ConnectionOptions, openConnections } from './connections.ts'
import type { SshCloudOptions, SshHost } from './options.ts'
import { consoleScript, lookScript, releaseScript, startScript } from './scripts.ts'
import type { Ran } from './session.ts'

/** What a look at a host finds. */
export type Sight =
  | { readonly kind: 'free' }
  | {
      readonly kind: 'claimed'
      readonly mark: string
      readonly vmId: string
      readonly createdMs: number
      readonly power: CloudVm['power']
      readonly detail: string
    }

/** A host as a look at it has shown it; an error where it is not reached. */
export type Seen = { readonly host: KnownHost; readonly sight: Sight | PilotageError }

export type Hosts = {
  look(host: KnownHost, noted: NotesByHost, withinMs: number): Promise<Sight>
  /** `taken`: another process claimed it first. */
  start(host: KnownHost, noted: NotesByHost, vmId: VmId, script: string, withinMs: number): Promise<'started' | 'taken'>
  release(host: KnownHost, noted: NotesByHost, vmId: VmId, withinMs: number): Promise<'gone' | 'going'>
  console(host: KnownHost, noted: NotesByHost, vmId: VmId, withinMs: number): Promise<string>
  close(): void
}

export function hostName({ address, port }: Pick<SshHost, 'address' | 'port'>): string {
  return `${address}:${port}`
}

/** The reverse of it. */
export function hostOf(name: string): KnownHost {
  const at = name.lastIndexOf(':')
  return { name, address: name.slice(0, at), port: Number(name.slice(at + 1)) }
}

export function openHosts(options: ConnectionOptions & Pick<SshCloudOptions, 'installation'>, notes: HostNotes): Hosts {
  const { name: cloud, installation, clock, log } = options
  const { use, close } = openConnections(options, notes)

  return {
    look: (host, noted, withinMs) =>
      use(host, noted, withinMs, 'looking at', async ({ run }) => sightOf(checked(await run(lookScript, []), host))),

    start: (host, noted, vmId, script, withinMs) =>
      use(host, noted, withinMs, 'starting', async ({ run }) => {
        const digest = createHash('sha256').update(script).digest('hex')
        const size = Buffer.byteLength(script)
        const words = [installation, vmId, String(clock.nowMs()), String(size), digest]
        const said = checked(await run(startScript, words, script), host)
        if (said !== 'started' && said !== 'taken') throw odd(host, said)
        return said
      }),

    release: (host, noted, vmId, withinMs) =>
      use(host, noted, withinMs, 'giving back', async ({ run }) => {
        const said = checked(await run(releaseScript, [installation, vmId]), host)
        if (said === 'gone') return 'gone'
        log.warn({ cloud, host: host.name, vmId, said }, 'a host cannot be given back yet')
        return 'going'
      }),

    console: (host, noted, vmId, withinMs) =>
      use(host, noted, withinMs, 'reading the console of', async ({ run }) => {
        const { code, output, errors } = await run(consoleScript, [installation, vmId])
        if (code !== 0) throw odd(host, errors)
        return output
      }),

    close,
  }
}

function checked({ code, output, errors }: Ran, host: KnownHost): string {
  if (code === 0) return output.trim()
  throw odd(host, `${errors || 'a script failed'} (${code})`)
}

function odd(host: KnownHost, what: string): PilotageError {
  return new PilotageError('cloud-transient', `${host.name}: ${what.slice(0, 300)}`)
}

/**
 *   claimed, and  waiting               building   nothing was delivered yet
 *                 working               building   the script runs
 *                 failed CODE WORDS     error
 *                 monitor active        running    also while systemd starts or stops it
 *                 monitor (any other)   stopped
 */
function sightOf(text: string): Sight {
  const [first = '', second = ''] = text.split('\n')
  if (first === 'free') return { kind: 'free' }
  const [word, mark = '', vmId = '', made = ''] = first.split(' ')
  if (word !== 'claim') throw new PilotageError('cloud-transient', `a host says ${text.slice(0, 100)}`)
  const seenAs = (power: CloudVm['power'], detail = ''): Sight => {
    return { kind: 'claimed', mark, vmId, createdMs: Number(made) || 0, power, detail }
  }
  const [state = '', ...rest] = second.split(' ')
  switch (state) {
    case 'waiting':
    case 'working':
      return seenAs('building')
    case 'failed':
      return seenAs('error', `the script ended with ${rest[0]}: ${rest.slice(1).join(' ')}`)
    case 'monitor':
      return monitored(rest[0] ?? '')
    default:
      throw new PilotageError('cloud-transient', `a host says ${text.slice(0, 100)}`)
  }

  function monitored(word: string): Sight {
    if (/^(?:active|activating|deactivating|reloading)$/.test(word)) return seenAs('running')
    // Where systemd itself does not answer, nothing is known.
    if (word === '') throw new PilotageError('cloud-transient', 'a host does not say whether the monitor runs')
    return seenAs('stopped', `the monitor is ${word}`)
  }
}

export function isOurs(sight: Sight, installation: string): sight is Extract<Sight, { kind: 'claimed' }> & { vmId: VmId } {
  return sight.kind === 'claimed' && sight.mark === installation && isVmId(sight.vmId)
}
