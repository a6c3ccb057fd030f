/**
 * A real moto_server for a test: an EC2 API on loopback, over plain HTTP, in a process of its own with a directory of its
 * own.
 *
 * It keeps everything in memory. After `stop` no process and no file of it is left, or `stop` throws. What it does not do as
 * EC2 does is played by ec2-front.ts, through which tests reach it.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../core/kernel/clock.ts'
import { isRunning } from '../support/processes.ts'
import type { Place } from './peer.ts'
import { quietPorts } from './quiet-ports.ts'
import { type ServerProcess, serverProcess } from './server-process.ts'

export type MotoServer = {
  readonly url: string
  stop(): Promise<void>
}

export type MotoOrder = {
  readonly clock: Clock
  readonly place: Place
  /** Where its directory is made. */
  readonly dir: string
}

const maxStarts = 3

export async function openMoto({ clock, place, dir }: MotoOrder): Promise<MotoServer> {
  if (place.kind === 'url') return { url: place.url, stop: async () => {} }
  for (let starts = 1; ; starts += 1) {
    const home = mkdtempSync(join(dir, 'moto-'))
    const [port = 0] = await quietPorts(1)
    const url = `http://127.0.0.1:${port}`
    const server = serverProcess({
      clock,
      program: place.program,
      arguments: ['-H', '127.0.0.1', '-p', String(port)],
      dir: home,
      port,
      answers: async () => (await fetch(`${url}/moto-api/`)).ok,
    })
    try {
      await server.start()
      return { url, stop: () => remove(home, server) }
    } catch (error) {
      // Another process may have taken the port since we looked.
      await remove(home, server)
      if (starts === maxStarts) throw error
    }
  }
}

async function remove(home: string, server: ServerProcess): Promise<void> {
  await server.kill()
  rmSync(home, { recursive: true, force: true })
  if (server.pid > 0 && isRunning(server.pid)) throw new Error(`moto_server is left running: ${server.pid}`)
}
