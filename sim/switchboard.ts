/**
 * The network between VMs, users and the service. A unary call may lose its request or its reply, arrive twice, or find no
 * process; streams are in streams.ts. Callers repeat a call that got no answer, with the same content: that is why a call
 * that arrives twice does no harm.
 */

import { PilotageError } from '../core/kernel/errors.ts'
import type { VmId } from '../core/kernel/ids.ts'
import type { JobPorts } from '../services/jobs/ports.ts'
import type { Answer, SimService } from './life.ts'
import type { Ground } from './ground.ts'
import type { SimProcess } from './process.ts'
import { openStream, shut, type Stream, type Streams, type StreamHandlers } from './streams.ts'
import { isCut, type Link, noticeMs, wayMs } from './ways.ts'

export type Switchboard = {
  join(service: SimService): void
  call<Value>(
    client: SimProcess,
    link: Link,
    act: (queue: JobPorts) => Promise<Value>,
    done: (answer: Answer<Value>) => void,
  ): void
  openStream(vmId: VmId, client: SimProcess, link: Link, handlers: StreamHandlers): Stream
  /** The service has died: its clients notice so much later. */
  dropAll(noticeMs: number): void
  /** Nothing passes on this VM's stream any more, and neither side knows yet. */
  breakStream(vmId: VmId): void
  breakAll(): void
  /** Keepalive: the service notices the streams whose machine is no more. */
  dropDead(): void
  /** It hears nothing any more, and is still heard. */
  deafen(vmId: VmId): void
}

const callMs = 10_000

export function openSwitchboard(ground: Ground): Switchboard {
  const { timeline, dice, weather } = ground
  const streams: Streams = { ground, service: undefined, open: new Map() }
  const isLost = (link: Link): boolean => isCut(ground, link) || dice.chance(weather.dropRate)

  function call<Value>(
    client: SimProcess,
    link: Link,
    act: (queue: JobPorts) => Promise<Value>,
    done: (answer: Answer<Value>) => void,
  ): void {
    let isOver = false
    const finish = (answer: Answer<Value>): void => {
      if (isOver) return
      isOver = true
      timer.cancel()
      done(answer)
    }
    const timer = client.deliver(callMs, () => {
      finish({ ok: false, error: new PilotageError('unavailable', 'no answer in time') })
    })
    const request = (): void => {
      if (isLost(link)) return
      timeline.after(wayMs(ground), () => {
        streams.service?.ask(act, (answer) => {
          if (!isLost(link)) client.deliver(wayMs(ground), () => finish(answer))
        })
      })
    }
    request()
    if (dice.chance(weather.doubleRate)) request()
  }

  const breakOne = (vmId: VmId): void => {
    const open = streams.open.get(vmId)
    if (open) shut(open, noticeMs(ground), noticeMs(ground))
  }
  return {
    join(service) {
      streams.service = service
    },
    call,
    openStream: (vmId, client, link, handlers) => openStream(streams, vmId, client, link, handlers),
    dropAll(ms) {
      for (const open of [...streams.open.values()]) shut(open, ms, Infinity)
    },
    breakStream: breakOne,
    deafen(vmId) {
      const open = streams.open.get(vmId)
      if (open) open.isDeaf = true
    },
    dropDead() {
      for (const [vmId, open] of streams.open) {
        if (open.client.isAlive()) continue
        streams.open.delete(vmId)
        shut(open, Infinity, noticeMs(ground))
      }
    },
    breakAll() {
      for (const vmId of [...streams.open.keys()]) breakOne(vmId)
    },
  }
}
