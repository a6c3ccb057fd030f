import { expect, it } from 'vitest'
import { decide, endOfLife, type MonitorView, unhealthyOf } from '../../../agents/monitor/policy.ts'

const policy = { idleMs: 60_000, leastLifeMs: 120_000, endByMs: 1e9, deadManMs: 600_000, leastDiskFreeBytes: 1000 }
const pilot = { state: 'idle', payloads: 0, idleMs: 0, silentMs: 0, alive: true } as const
const lastHeartbeat = { agoMs: 1000, answered: true, retryMs: 0, wish: '', unhealthy: '' }
const calm: MonitorView = {
  upMs: 300_000,
  pilot,
  diskFreeBytes: 5000,
  skewMs: 0,
  serviceNowMs: 0,
  silentMs: 1000,
  order: 'go-on',
  orderReason: '',
  heartbeatIntervalMs: 15_000,
  lastHeartbeat,
}
const squid = { kind: 'squid', hasAnswered: true, failuresInRow: 0 }
const serving = { pilot: undefined, service: squid }
const busy = { ...pilot, payloads: 1 }
const idle = { pilot: { ...pilot, idleMs: 60_000 } }
const asked = { ...lastHeartbeat, wish: 'idle for 1 min' }

it.each([
  // what differs from a calm view, what is done, the reason of it
  ['nothing', {}, 'wait', ''],
  ['no heartbeat yet', { lastHeartbeat: undefined }, 'heartbeat', ''],
  ['the next heartbeat is due', { lastHeartbeat: { ...lastHeartbeat, agoMs: 15_000 } }, 'heartbeat', ''],
  ['a failed heartbeat, too soon', { lastHeartbeat: { ...lastHeartbeat, answered: false, retryMs: 1001 } }, 'wait', ''],
  [
    'a failed heartbeat, late enough',
    { lastHeartbeat: { ...lastHeartbeat, answered: false, retryMs: 1000 } },
    'heartbeat',
    '',
  ],
  ['ordered to stop', { order: 'stop', orderReason: 'drained' }, 'power-off', 'drained'],
  ['ordered to stop, no reason', { order: 'stop' }, 'power-off', 'the service ordered it to stop'],
  ['1 ms before the contact timeout', { silentMs: 599_999 }, 'wait', ''],
  ['contact timeout', { silentMs: 600_000 }, 'power-off', 'contact timeout: no answer from the service for 10 min'],
  ['idle long enough: at once', idle, 'heartbeat', 'idle for 1 min'],
  ['idle, not long enough', { pilot: { ...pilot, idleMs: 59_999 } }, 'wait', ''],
  ['idle, but too young', { ...idle, upMs: 119_999 }, 'wait', ''],
  ['idle, and has asked', { ...idle, lastHeartbeat: asked }, 'wait', ''],
  ['idle, asked one interval ago', { ...idle, lastHeartbeat: { ...asked, agoMs: 15_000 } }, 'heartbeat', 'idle for 1 min'],
  ['asked, and got work', { lastHeartbeat: { ...asked, agoMs: 15_000 } }, 'heartbeat', ''],
  ['idle with a payload', { pilot: { ...idle.pilot, payloads: 1 } }, 'wait', ''],
  ['drain ordered, none left', { order: 'drain' }, 'heartbeat', 'drained'],
  ['drain ordered, one left', { order: 'drain', pilot: { ...pilot, payloads: 1 } }, 'wait', ''],
  ['drained by the pilot', { pilot: { ...pilot, state: 'draining' } }, 'heartbeat', 'drained'],
  ['spot interruption, busy', { isInterrupted: true, pilot: busy }, 'heartbeat', 'spot-interruption'],
  [
    'spot interruption, and has asked',
    { isInterrupted: true, lastHeartbeat: { ...lastHeartbeat, wish: 'spot-interruption' } },
    'wait',
    '',
  ],
  ['spot interruption, drain ordered, one left', { isInterrupted: true, order: 'drain', pilot: busy }, 'wait', ''],
  ['spot interruption, drain ordered, none left', { isInterrupted: true, order: 'drain' }, 'heartbeat', 'drained'],
  ['spot interruption, its pilot gone', { isInterrupted: true, pilot: undefined }, 'heartbeat', 'spot-interruption'],
  ['drained, and young', { order: 'drain', upMs: 1 }, 'heartbeat', 'drained'],
  ['its pilot says that it is of no use', { pilot: { ...pilot, unhealthy: 'accounts-retired' } }, 'heartbeat', ''],
  ['health has changed', { diskFreeBytes: 1 }, 'heartbeat', ''],
  [
    'health as it was reported',
    { diskFreeBytes: 1, lastHeartbeat: { ...lastHeartbeat, unhealthy: 'disk-full' } },
    'wait',
    '',
  ],
  ['a service, for ever', { ...serving, upMs: 1e12 }, 'wait', ''],
  ['a service, ordered to drain', { ...serving, order: 'drain' }, 'wait', ''],
  ['a service, ordered to stop', { ...serving, order: 'stop' }, 'power-off', 'the service ordered it to stop'],
  [
    'a service, contact timeout',
    { ...serving, silentMs: 600_000 },
    'power-off',
    'contact timeout: no answer from the service for 10 min',
  ],
  ['a service that fails', { ...serving, service: { ...squid, failuresInRow: 3 } }, 'heartbeat', ''],
  ['idle, but its pilot is gone', { pilot: { ...idle.pilot, alive: false } }, 'heartbeat', ''],
] as [string, Partial<MonitorView>, string, string][])('%s: %s', (_, change, kind, reason) => {
  const next = decide({ ...calm, ...change }, policy)
  expect(next.kind).toBe(kind)
  if (next.kind === 'heartbeat') expect(next.wish).toBe(reason)
  if (next.kind === 'power-off') expect(next.reason).toBe(reason)
})

it('asks once at the end of its life, payloads or not, and then stops', () => {
  const busy: MonitorView = { ...calm, pilot: { ...pilot, payloads: 3 } }
  const at = (serviceNowMs: number | undefined, view = busy) => decide({ ...view, serviceNowMs }, policy)
  expect(at(1e9 - 1)).toEqual({ kind: 'wait' })
  expect(at(1e9)).toMatchObject({ kind: 'heartbeat', wish: endOfLife })
  const after = { ...busy, lastHeartbeat: { ...lastHeartbeat, answered: false, retryMs: 5000, wish: endOfLife } }
  expect(at(1e9, after)).toEqual({ kind: 'power-off', reason: endOfLife })
  // Before the first answer the service's clock is not known, and nothing ends for it.
  expect(at(undefined)).toEqual({ kind: 'wait' })
})

it.each([
  [{}, ''],
  [{ diskFreeBytes: 999 }, 'disk-full'],
  [{ skewMs: 60_001 }, 'clock-off'],
  [{ skewMs: -60_001 }, 'clock-off'],
  [{ skewMs: 60_000 }, ''],
  [{ pilot: { ...pilot, alive: false } }, 'pilot-gone'],
  [{ pilot: { ...pilot, silentMs: 20_001 } }, 'pilot-gone'],
  [{ pilot: { ...pilot, silentMs: 20_000 } }, ''],
  [{ pilot: { ...pilot, unhealthy: 'accounts-retired' } }, 'accounts-retired'],
  [{ pilot: { ...pilot, unhealthy: 'accounts-retired', alive: false } }, 'pilot-gone'],
  [{ pilot: undefined, upMs: 59_999 }, ''],
  [{ pilot: undefined, upMs: 60_000 }, 'pilot-gone'],
  [{ diskFreeBytes: 0, pilot: { ...pilot, alive: false } }, 'disk-full,pilot-gone'],
  [{ pilot: undefined, service: { ...squid, failuresInRow: 2 } }, ''],
  [{ pilot: undefined, service: { ...squid, failuresInRow: 3 } }, 'squid-gone'],
  [{ pilot: undefined, service: { ...squid, hasAnswered: false, failuresInRow: 9 }, upMs: 59_999 }, ''],
  [{ pilot: undefined, service: { ...squid, hasAnswered: false, failuresInRow: 9 }, upMs: 60_000 }, 'squid-gone'],
] as [Partial<MonitorView>, string][])('%j is reported as "%s"', (change, expected) => {
  expect(unhealthyOf({ ...calm, ...change }, policy)).toBe(expected)
})
