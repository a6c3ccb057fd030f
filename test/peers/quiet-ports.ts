/**
 * Free loopback ports below those that the system gives to outgoing connections. A server that is killed and comes back
 * finds its port free: neither has a client's connection taken it in between, nor has a client that tries it connected to
 * itself.
 *
 * Another process may still take one between this look and the server's: the code that starts a server tries again with
 * others.
 */

import { createServer } from 'node:net'
import { systemRandom } from '../../core/kernel/random.ts'

const lowest = 15_000
/** Linux gives outgoing connections ports from 32768 on. */
const above = 32_000
const maxTries = 200

export async function quietPorts(count: number): Promise<readonly number[]> {
  const random = systemRandom()
  const ports = new Set<number>()
  for (let tries = 0; ports.size < count; tries += 1) {
    if (tries === maxTries) throw new Error(`no ${count} free ports from ${lowest} to ${above}`)
    const port = lowest + Math.floor(random.next() * (above - lowest))
    if (!ports.has(port) && (await isFree(port))) ports.add(port)
  }
  return [...ports]
}

/** The first of `count` in a row. */
export async function quietRow(length: number): Promise<number> {
  for (let tries = 0; tries < maxTries; tries += 1) {
    const [first = 0] = await quietPorts(1)
    const all = await Promise.all(Array.from({ length }, (_, at) => isFree(first + at)))
    if (all.every(Boolean)) return first
  }
  throw new Error(`no ${length} free ports in a row from ${lowest} on`)
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
