/**
 * Real OpenSSH servers for a test, each a host of its own: on loopback, in namespaces where its processes and what it keeps
 * in /run, /var/lib and for systemd are its own, so that nothing reaches this machine and everything ends with it.
 *
 * There is no systemd in there: a script of a few lines stands for `systemctl`, which starts what a unit's file in
 * /run/units says, and ends it. Only root may make such namespaces; where we are not root, this peer is absent.
 */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../../core/kernel/clock.ts'
import { isRunning } from '../support/processes.ts'
import type { Environment, Peer, Place } from './peer.ts'
import { quietPorts } from './quiet-ports.ts'
import { type ServerProcess, serverProcess } from './server-process.ts'

const variable = 'PILOTAGE_SSHD'
const usual = '/usr/sbin/sshd'

export function findSshd(env: Environment): Peer {
  const soughtIn = `${variable}, ${usual}, as root with unshare`
  const named = env[variable]
  if (named && !existsSync(named)) throw new Error(`${variable}: ${named} is no program`)
  const program = named || usual
  const isHere = existsSync(program) && spawnSync('unshare', ['--mount', '--pid', '--fork', 'true']).status === 0
  return { name: 'sshd', places: isHere ? [{ kind: 'program', program, version: versionOf(program) }] : [], soughtIn }
}

/** An option that it does not know makes it say what it is. */
function versionOf(program: string): string {
  const { stderr, stdout } = spawnSync(program, ['-V'], { encoding: 'utf8', timeout: 30_000 })
  return /OpenSSH_([\d.p]+)/.exec(`${stdout}${stderr}`)?.[1] ?? 'of unknown version'
}

export type SshHosts = {
  readonly hosts: readonly OneHost[]
  /** Of the only account, root. */
  readonly privateKey: string
  stop(): Promise<void>
}

export type OneHost = {
  readonly port: number
  /** A path there, as this machine sees it. */
  path(inside: string): string
  /** Commands of its processes, sshd's own left out. */
  processes(): readonly string[]
  /** Another key of the host from its next start on, with nothing kept of what was there. */
  reinstall(): Promise<void>
  kill(): Promise<void>
  start(): Promise<void>
}

export type SshOrder = { readonly clock: Clock; readonly place: Place; readonly dir: string; readonly count: number }

export async function openSshHosts({ clock, place, dir, count }: SshOrder): Promise<SshHosts> {
  if (place.kind === 'url') throw new Error('hosts that are not ours are not for tests')
  const home = mkdtempSync(join(dir, 'sshd-'))
  makeKey(join(home, 'client'))
  writeFileSync(join(home, 'systemctl'), systemctl, { mode: 0o755 })
  const opened: OneHost[] = []
  const stop = async (): Promise<void> => {
    for (const host of opened) await host.kill()
    rmSync(home, { recursive: true, force: true })
  }
  try {
    for (let at = 0; at < count; at += 1) opened.push(await openHost(clock, place.program, home, at))
  } catch (error) {
    await stop()
    throw error
  }
  return { hosts: opened, privateKey: readFileSync(join(home, 'client'), 'utf8'), stop }
}

function makeKey(file: string): void {
  rmSync(file, { force: true })
  rmSync(`${file}.pub`, { force: true })
  const { status, stderr } = spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', file])
  if (status !== 0) throw new Error(`ssh-keygen: ${stderr}`)
}

const maxStarts = 3

async function openHost(clock: Clock, program: string, home: string, at: number): Promise<OneHost> {
  const own = join(home, `host-${at}`)
  mkdirSync(own)
  makeKey(join(own, 'host_key'))
  for (let starts = 1; ; starts += 1) {
    const [port = 0] = await quietPorts(1)
    const server = serverProcess({
      clock,
      program: 'unshare',
      arguments: [
        '--mount',
        '--pid',
        '--fork',
        '--kill-child',
        '--mount-proc',
        'sh',
        '-c',
        inside(program, own, home, port),
      ],
      dir: own,
      port,
      answers: () => greets(clock, port),
    })
    try {
      await server.start()
      return hostOf(server, own)
    } catch (error) {
      // Another process may have taken the port since we looked.
      if (starts === maxStarts) throw error
    }
  }
}

/** The first process of the host's own: with its end everything there ends. */
function inside(program: string, own: string, home: string, port: number): string {
  const options = [
    `AuthorizedKeysFile=${join(home, 'client.pub')}`,
    'PermitRootLogin=prohibit-password',
    'PasswordAuthentication=no',
    'KbdInteractiveAuthentication=no',
    'StrictModes=no',
    'UsePAM=no',
    'PidFile=none',
    'ListenAddress=127.0.0.1',
  ]
  return [
    'set -e',
    ...['/run', '/var/lib', '/etc/systemd/system', '/usr/local/sbin'].map(
      (one) => `mount -t tmpfs -o mode=0755 none ${one}`,
    ),
    'mkdir -p /run/sshd /run/units',
    `cp ${home}/systemctl /usr/local/sbin/systemctl`,
    `exec ${program} -D -e -f /dev/null -p ${port} -h ${own}/host_key ${options.map((one) => `-o ${one}`).join(' ')}`,
  ].join('\n')
}

function hostOf(server: ServerProcess, own: string): OneHost {
  /** Of the host's first process, which is the only child of `unshare`. */
  const root = (): string => {
    const child = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').trim()
    return `/proc/${child}/root`
  }
  const kill = async (): Promise<void> => {
    await server.kill()
    if (server.pid > 0 && isRunning(server.pid)) throw new Error(`a host is left running: ${server.pid}`)
  }
  return {
    port: server.port,
    path: (path) => `${root()}${path}`,
    processes() {
      const proc = `${root()}/proc`
      const commands = readdirSync(proc).flatMap((name) => {
        if (!/^\d+$/.test(name)) return []
        try {
          return readFileSync(join(proc, name, 'cmdline'), 'latin1')
            .replaceAll('\0', ' ')
            .trim()
        } catch {
          return []
        }
      })
      return commands.filter((command) => command !== '' && !/^(?:\S*sshd\b|sshd:)/.test(command))
    },
    kill,
    start: () => server.start(),
    async reinstall() {
      await kill()
      makeKey(join(own, 'host_key'))
      await server.start()
    },
  }
}

/** An SSH server speaks first. */
function greets(clock: Clock, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const end = (isThere: boolean): void => {
      timer.cancel()
      socket.destroy()
      resolve(isThere)
    }
    const timer = clock.after(5000, () => end(false))
    socket.on('data', (data) => end(data.toString('latin1').startsWith('SSH-2.0-')))
    socket.on('error', () => end(false))
    socket.on('close', () => end(false))
  })
}

/** What a unit runs stands in /run/units/NAME. */
const systemctl = `#!/bin/sh
verb= names=
for word in "$@"; do
  case "$word" in
    --*) ;;
    *) if [ -z "$verb" ]; then verb=$word; else names="$names $word"; fi ;;
  esac
done
for name in $names; do
  file=/run/units/\${name%.service}
  pid=$(cat $file.pid 2>/dev/null)
  alive() { [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; }
  case $verb in
    start) setsid sh $file </dev/null >/dev/null 2>&1 & echo $! >$file.pid ;;
    stop | kill) if alive; then kill -s KILL -- "-$pid" 2>/dev/null || kill -s KILL "$pid"; fi ;;
    is-active) if alive; then echo active; else echo inactive; exit 3; fi ;;
  esac
done
`
