/**
 * A real squid for a test, on loopback, with the configuration of a machine that Pilotage renders: as it stands, but for
 * where its files lie. Names of what it fetches mean nothing here: it asks one server of the test, whatever the name.
 *
 * It works in a directory of its own. After `stop` no process and no file of it is left, or `stop` throws.
 */

import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { answersOn } from '../../agents/monitor/service.ts'
import type { Clock } from '../../core/kernel/clock.ts'
import { isRunning } from '../support/processes.ts'
import type { Place } from './peer.ts'
import { quietPorts } from './quiet-ports.ts'
import { serverProcess } from './server-process.ts'

export type SquidServer = {
  readonly port: number
  /** Through it: the status, the headers as they came, and the body. */
  ask(method: 'GET' | 'CONNECT' | 'HEAD', target: string): Promise<SquidAnswer>
  stop(): Promise<void>
}

export type SquidAnswer = { readonly status: number; readonly head: string; readonly body: string }

export type SquidSettings = {
  /** Its configuration as rendered for the port that it is given. */
  readonly config: (port: number) => string
  /** Of the server that it fetches everything from. */
  readonly originPort: number
}

const answerMs = 30_000
const openToAll = '/var/tmp'

export async function openSquid(order: SquidSettings & { clock: Clock; place: Place; dir: string }): Promise<SquidServer> {
  const { config, originPort, clock, place, dir } = order
  if (place.kind === 'url') throw new Error('squid is a program')
  const home = mkdtempSync(join(dir, 'squid-'))
  // Started by root it works as another account, which may not enter our directory.
  const cache = mkdtempSync(join(process.getuid?.() === 0 ? openToAll : home, 'pilotage-squid-cache-'))
  chmodSync(cache, 0o777)
  const [port = 0] = await quietPorts(1)
  writeFileSync(join(home, 'sizes'), `cache_mem 32 MB\ncache_dir aufs ${cache} 100 16 256\n`)
  const text = config(port)
    .replaceAll('/etc/squid/pilotage-sizes.conf', join(home, 'sizes'))
    .replaceAll('/var/spool/squid', cache)
    .replace(`http_port ${port}`, `http_port 127.0.0.1:${port}`)
  const origin = [
    `cache_peer 127.0.0.1 parent ${originPort} 0 no-query no-digest originserver`,
    'never_direct allow all',
    'dns_nameservers 127.0.0.1',
    'dns_timeout 1 seconds',
  ]
  writeFileSync(join(home, 'conf'), [text, ...origin, ''].join('\n'))
  const { status, stderr } = spawnSync(place.program, ['-N', '-z', '-d', '1', '-f', join(home, 'conf')], {
    encoding: 'utf8',
  })
  if (status !== 0 || /WARNING|ERROR|FATAL/.test(stderr)) throw new Error(`squid -z: ${status}: ${stderr}`)
  const server = serverProcess({
    clock,
    program: place.program,
    arguments: ['-N', '-d', '1', '-f', join(home, 'conf')],
    dir: home,
    port,
    answers: () => answersOn(port, clock),
  })
  await server.start()
  return {
    port,
    ask: (method, target) => ask(clock, port, method, target),
    async stop() {
      await server.stop()
      for (const path of [home, cache]) rmSync(path, { recursive: true, force: true })
      if (server.pid > 0 && isRunning(server.pid)) throw new Error(`squid is left running: ${server.pid}`)
    },
  }
}

function ask(clock: Clock, port: number, method: string, target: string): Promise<SquidAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const timer = clock.after(answerMs, () => socket.destroy(new Error(`${method} ${target}: no answer`)))
    let text = ''
    const host = URL.canParse(target) ? new URL(target).host : target
    socket.write(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    socket.on('data', (piece) => {
      text += piece.toString('latin1')
    })
    socket.on('error', reject)
    socket.on('close', () => {
      timer.cancel()
      const [head = '', ...body] = text.split('\r\n\r\n')
      resolve({ status: Number(/^HTTP\/1\.\d (\d{3})/.exec(head)?.[1] ?? 0), head, body: body.join('\r\n\r\n') })
    })
  })
}
