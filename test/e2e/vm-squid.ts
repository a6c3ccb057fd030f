/** A real squid on loopback, that takes every name for this machine's and keeps what it fetches in memory. */

import { spawn } from 'node:child_process'
import { mkdirSync, openSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type Clock, until } from '../../core/kernel/clock.ts'

export type Squid = { stop(): Promise<void> }

/** Throws where it does not come up. `served`: the ports here that it leads to, by whatever name they are asked for. */
export async function startSquid(
  clock: Clock,
  program: string,
  dir: string,
  port: number,
  served: readonly number[],
): Promise<Squid> {
  const own = join(dir, 'squid')
  mkdirSync(own)
  const config = join(own, 'squid.conf')
  // Started by root it works as another account, which may neither read nor write here: after its configuration it does
  // neither.
  const lines = [
    `http_port 127.0.0.1:${port}`,
    ...served.flatMap((one) => [
      `acl to_${one} port ${one}`,
      `cache_peer 127.0.0.1 parent ${one} 0 no-query originserver name=at_${one}`,
      `cache_peer_access at_${one} allow to_${one}`,
      `cache_peer_access at_${one} deny all`,
    ]),
    'never_direct allow all',
    'pid_filename none',
    'access_log none',
    'cache_store_log none',
    'cache_log /dev/null',
    'cache_mem 192 MB',
    'maximum_object_size_in_memory 150 MB',
    'visible_hostname squid.test',
    'http_access allow all',
    'shutdown_lifetime 1 seconds',
    'pinger_enable off',
  ]
  writeFileSync(config, `${lines.join('\n')}\n`)
  const log = openSync(join(own, 'log'), 'a')
  const child = spawn(program, ['-N', '-d', '1', '-f', config], { cwd: own, stdio: ['ignore', log, log] })
  const over = new Promise<void>((resolve) => child.on('close', () => resolve()))
  const isUp = async (): Promise<boolean> => child.exitCode !== null || (await answers(port))
  await until(clock, isUp, { withinMs: 30_000, everyMs: 100 })
  if (child.exitCode !== null) throw new Error(`squid ended with ${child.exitCode}: see ${own}/log`)
  return {
    async stop() {
      child.kill('SIGTERM')
      await over
    },
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
