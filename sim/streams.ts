/**
 * The long streams between pilots and the service: ordered, and broken as a whole. What was under way when one breaks is
 * lost, and each side learns of it in its own time.
 *
 * The server's side is the real session with the real codec, as services/api/grpc/vm-handlers.ts has them around it.
 */

import type { VmId } from '../core/kernel/ids.ts'
import { pilotMessageOf, serviceMessageToWire } from '../proto/codec/pilot.ts'
import type { PilotMessage, ServiceMessage } from '../proto/gen/pilotage/v1/vm.ts'
import { openPilotStream, type PilotStream } from '../services/matcher/pilot-stream.ts'
import type { SimService, Life } from './life.ts'
import type { Ground } from './ground.ts'
import type { AuditedStream } from './held.ts'
import type { SimProcess } from './process.ts'
import { isCut, type Link, noticeMs, wayMs } from './ways.ts'

export type StreamHandlers = { onMessage(message: ServiceMessage): void; onEnd(why: string): void }

export type Stream = {
  send(message: PilotMessage): void
  close(): void
  /** Its client has died: only the server is left to notice. */
  abandon(): void
}

export type Streams = { readonly ground: Ground; service: SimService | undefined; readonly open: Map<VmId, Connection> }

export type Connection = {
  readonly streams: Streams
  readonly vmId: VmId
  readonly client: SimProcess
  readonly link: Link
  readonly handlers: StreamHandlers
  isBroken: boolean
  /** What the server says is lost, while it still hears. */
  isDeaf: boolean
  isClientOver: boolean
  isServerOver: boolean
  life: Life | undefined
  session: PilotStream | undefined
  audited: AuditedStream | undefined
  /** What came before the session was open. */
  early: PilotMessage[]
  /** When the last message of each way arrives: the next one comes after it. */
  upMs: number
  downMs: number
}

const connectMs = 10_000

export function openStream(streams: Streams, vmId: VmId, client: SimProcess, link: Link, handlers: StreamHandlers): Stream {
  const { ground } = streams
  const { timeline, dice, weather, trace } = ground
  const connection: Connection = {
    ...{ streams, vmId, client, link, handlers },
    isBroken: isCut(ground, link),
    isDeaf: false,
    isClientOver: false,
    isServerOver: false,
    life: undefined,
    session: undefined,
    audited: undefined,
    early: [],
    upMs: 0,
    downMs: 0,
  }
  trace.note({ vmId }, 'the pilot opens a stream')
  if (connection.isBroken) shut(connection, connectMs, Infinity)
  else {
    streams.open.set(vmId, connection)
    sendUp(connection, () => accept(connection))
    if (Number.isFinite(weather.streamBreaksEveryMs)) {
      timeline.after(dice.about(weather.streamBreaksEveryMs), () => {
        const isCalm = !Number.isFinite(weather.streamBreaksEveryMs)
        if (!connection.isBroken && !isCalm) shut(connection, noticeMs(ground), noticeMs(ground))
      })
    }
  }
  return {
    send: (message) => sendUp(connection, () => connection.life?.process.deliver(0, () => receive(connection, message))),
    close() {
      shut(connection, Infinity, isCut(ground, link) ? noticeMs(ground) : wayMs(ground))
      endClient(connection, 'closed')
    },
    abandon: () => shut(connection, Infinity, wayMs(ground)),
  }
}

/** Nothing passes any more; each side notices so much later, or never. */
export function shut(connection: Connection, clientMs: number, serverMs: number): void {
  connection.isBroken = true
  if (Number.isFinite(clientMs)) connection.client.deliver(clientMs, () => endClient(connection, 'the stream broke'))
  if (Number.isFinite(serverMs)) connection.life?.process.deliver(serverMs, () => endServer(connection))
}

function sendUp(connection: Connection, arrive: () => void): void {
  const { streams, link } = connection
  const { timeline } = streams.ground
  if (connection.isBroken) return
  connection.upMs = Math.max(connection.upMs, timeline.nowMs() + wayMs(streams.ground), link.cutUntilMs)
  timeline.after(connection.upMs - timeline.nowMs(), () => {
    if (!connection.isBroken) arrive()
  })
}

function sendDown(connection: Connection, message: ServiceMessage): void {
  const { streams, link, client, handlers } = connection
  const { ground } = streams
  const { timeline } = ground
  if (connection.isBroken || connection.isDeaf || connection.isServerOver) return
  connection.downMs = Math.max(connection.downMs, timeline.nowMs() + wayMs(ground), link.cutUntilMs)
  timeline.after(connection.downMs - timeline.nowMs(), () => {
    if (connection.isBroken || connection.isDeaf) return
    if (!client.isAlive()) return shut(connection, Infinity, noticeMs(ground))
    client.deliver(0, () => {
      if (!connection.isClientOver) handlers.onMessage(message)
    })
  })
}

function accept(connection: Connection): void {
  const { streams, vmId } = connection
  const { ground } = streams
  const life = streams.service?.life()
  connection.life = life
  if (!life?.process.isAlive()) {
    shut(connection, wayMs(ground), Infinity)
    return
  }
  life.process.deliver(0, () => {
    const wire = {
      send: (message: Parameters<typeof serviceMessageToWire>[0]) => sendDown(connection, serviceMessageToWire(message)),
      end: () => hangUp(connection),
    }
    const audited = ground.held.stream(life.matching, vmId, life.process, life.isForgetful)
    connection.audited = audited
    openPilotStream(audited.matching, vmId, wire).then(
      (session) => {
        if (connection.isServerOver) {
          session.close()
          audited.closed()
          return
        }
        connection.session = session
        for (const message of connection.early) receive(connection, message)
      },
      () => {
        audited.closed()
        hangUp(connection)
      },
    )
  })
}

function receive(connection: Connection, message: PilotMessage): void {
  const { session } = connection
  if (connection.isServerOver) return
  if (!session) connection.early.push(message)
  else session.receive(pilotMessageOf(message)).catch(() => hangUp(connection))
}

/** The server ends it. */
function hangUp(connection: Connection): void {
  const { ground } = connection.streams
  endServer(connection)
  shut(connection, isCut(ground, connection.link) ? noticeMs(ground) : wayMs(ground), Infinity)
}

function endServer(connection: Connection): void {
  if (connection.isServerOver) return
  connection.isServerOver = true
  const { session, audited } = connection
  session?.close()
  // Without a session it is still being opened, or was refused.
  if (session) audited?.closed()
}

function endClient(connection: Connection, why: string): void {
  const { streams, vmId, handlers } = connection
  if (connection.isClientOver) return
  connection.isClientOver = true
  connection.isBroken = true
  if (streams.open.get(vmId) === connection) streams.open.delete(vmId)
  handlers.onEnd(why)
}
