/** Hears what attacks send: datagrams on loopback, each `MARKER text`. What outlives its job still has a voice here. */

import { createSocket } from 'node:dgram'
import type { Clock } from '../../core/kernel/clock.ts'

export type Listener = {
  readonly port: number
  /** All that came with this marker. */
  heard(marker: string): string
  texts(): readonly string[]
  /** When the last one came, on the monotonic clock. */
  lastMs(marker: string): number
  close(): void
}

/** A chain of processes can send a thousand datagrams per second: more than this per marker says nothing new. */
const textBytes = 256 * 1024

export async function openListener(clock: Clock, host = '127.0.0.1'): Promise<Listener> {
  const texts = new Map<string, string>()
  const times = new Map<string, number>()
  const socket = createSocket('udp4')
  socket.on('message', (data) => {
    const [marker = '', ...rest] = data.toString('latin1').split(' ')
    times.set(marker, clock.monotonicMs())
    const text = texts.get(marker) ?? ''
    if (text.length < textBytes) texts.set(marker, `${text}${rest.join(' ')}\n`)
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(0, host, resolve)
  })
  return {
    port: socket.address().port,
    heard: (marker) => texts.get(marker) ?? '',
    texts: () => [...texts.values()],
    lastMs: (marker) => times.get(marker) ?? Number.NEGATIVE_INFINITY,
    close: () => socket.close(),
  }
}
