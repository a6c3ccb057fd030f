/**
 * An SSH server that plays a host without one: on loopback, with a key of its own, one account that one key opens, and a
 * file system of a few words. Understands the driver's four scripts by what they say; may be silent, refuse, or break off.
 */

import { createHash } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import ssh2 from 'ssh2'

export type Mood = 'well' | 'silent' | 'refusing' | 'breaking-off' | 'endless'

export type PlayedHost = {
  readonly port: number
  /** As OpenSSH shows it. */
  readonly fingerprint: string
  mood: Mood
  claim: { mark: string; vmId: string; made: string } | undefined
  state: string
  /** What it was asked to run, by commands' standard input. */
  readonly scripts: string[]
  /** Every command as it came. */
  readonly commands: string[]
  logins: number
  stop(): Promise<void>
}

/** Of a few keys that are made, ssh2 cannot read what it wrote. */
export function newKey(): string {
  for (let tries = 0; tries < 100; tries += 1) {
    const { private: key } = ssh2.utils.generateKeyPairSync('ed25519')
    if (!(ssh2.utils.parseKey(key) instanceof Error)) return key
  }
  throw new Error('ssh2 reads none of the keys that it makes')
}

/** `publicKey`: of whom is let in. */
export async function playHost(clientKey: string, hostKey = newKey(), port = 0): Promise<PlayedHost> {
  const client = parsed(clientKey)
  const fingerprint = `SHA256:${createHash('sha256').update(parsed(hostKey).getPublicSSH()).digest('base64').replace(/=+$/, '')}`
  const open = new Set<{ end(): void; destroy(): void }>()
  const host: PlayedHost = {
    port: 0,
    fingerprint,
    mood: 'well',
    claim: undefined,
    state: 'waiting',
    scripts: [],
    commands: [],
    logins: 0,
    async stop() {
      for (const one of open) one.destroy()
      await new Promise((resolve) => server.close(() => resolve(undefined)))
    },
  }
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (connection) => {
    connection.on('error', () => undefined)
    connection.on('authentication', (context) => {
      const isKnown = context.method === 'publickey' && context.key.data.equals(client.getPublicSSH())
      if (host.mood === 'refusing' || !isKnown) return context.reject(['publickey'])
      if (host.mood === 'silent') return
      host.logins += context.method === 'publickey' && context.signature ? 1 : 0
      context.accept()
    })
    connection.on('session', (accept) => {
      accept().on('exec', (acceptExec, _reject, { command }) => {
        const channel = acceptExec()
        host.commands.push(command)
        const pieces: Buffer[] = []
        channel.on('error', () => undefined)
        channel.on('data', (piece: Buffer) => {
          pieces.push(piece)
          if (host.mood === 'breaking-off') connection.end()
        })
        if (host.mood === 'endless') {
          const pour = (): void => {
            while (channel.writable && channel.write(Buffer.alloc(65_536, 'x')));
            channel.once('drain', pour)
          }
          return pour()
        }
        channel.on('end', () => {
          if (host.mood === 'silent' || (host.mood === 'breaking-off' && pieces.length > 0)) return
          const { code, said } = answer(host, command, Buffer.concat(pieces).toString())
          channel.write(said)
          channel.exit(code)
          channel.end()
        })
      })
    })
  })
  server.on('connection', () => undefined)
  // Below SSH: so that nothing is left open when a test ends.
  const inner = server as unknown as { _srv: import('node:net').Server }
  inner._srv.on('connection', (socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return Object.assign(host, { port: (server.address() as AddressInfo).port })
}

function parsed(key: string): ssh2.ParsedKey {
  const read = ssh2.utils.parseKey(key)
  if (read instanceof Error) throw read
  return read
}

function answer(host: PlayedHost, command: string, input: string): { readonly code: number; readonly said: string } {
  const words = [...command.matchAll(/ '([^']*)'/g)].map(([, word = '']) => word)
  const { claim } = host
  if (command.includes('echo free')) {
    const said = claim ? `claim ${claim.mark} ${claim.vmId} ${claim.made}\n${host.state}\n` : 'free\n'
    return { code: 0, said }
  }
  if (command.includes('echo taken')) {
    const [mark = '', vmId = '', made = '', size, digest] = words.slice(-5)
    if (claim && (claim.mark !== mark || claim.vmId !== vmId)) return { code: 0, said: 'taken\n' }
    host.claim ??= { mark, vmId, made }
    const isWhole = Buffer.byteLength(input) === Number(size) && createHash('sha256').update(input).digest('hex') === digest
    if (!isWhole) return { code: 5, said: '' }
    if (host.state === 'waiting') host.scripts.push(input)
    host.state = 'monitor active'
    return { code: 0, said: 'started\n' }
  }
  if (command.includes('journalctl')) return { code: 0, said: 'the console' }
  const [mark, vmId] = words.slice(-2)
  if (claim?.mark === mark && claim?.vmId === vmId) {
    host.claim = undefined
    host.state = 'waiting'
  }
  return { code: 0, said: 'gone\n' }
}
