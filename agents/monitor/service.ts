/**
 * Whether the service that a VM is for still works: a connection and one request on loopback, every few seconds, each
 * bounded.
 *
 * Any answer in HTTP that is not the server's own failure counts: what is asked for is refused on purpose, so that nothing
 * outside has a say in whether the service is well. Decides nothing; policy.ts counts.
 */

import { connect } from 'node:net'
import type { Clock } from '../../core/kernel/clock.ts'
import type { AgentConfig } from '../../core/model/agent-config.ts'
import type { ServiceView } from './policy.ts'

const everyMs = 5000
const withinMs = 3000
/** The first line of an answer is shorter. */
const headBytes = 4096

export type ServiceWatch = { view(): ServiceView; stop(): void }

export function watchService({ kind, port }: NonNullable<AgentConfig['service']>, clock: Clock): ServiceWatch {
  let view: ServiceView = { kind, hasAnswered: false, failuresInRow: 0 }
  let isOver = false
  let timer: { cancel(): void } | undefined
  const look = async (): Promise<void> => {
    const answers = await answersOn(port, clock)
    if (isOver) return
    view = answers ? { kind, hasAnswered: true, failuresInRow: 0 } : { ...view, failuresInRow: view.failuresInRow + 1 }
    timer = clock.after(everyMs, () => void look())
  }
  void look()
  return {
    view: () => view,
    stop() {
      isOver = true
      timer?.cancel()
    },
  }
}

/** Never throws. */
export function answersOn(port: number, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    let head = ''
    const end = (answers: boolean): void => {
      timer.cancel()
      socket.destroy()
      resolve(answers)
    }
    const timer = clock.after(withinMs, () => end(false))
    socket.on('connect', () => {
      const authority = `127.0.0.1:${port}`
      socket.write(`HEAD http://${authority}/ HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`)
    })
    socket.on('data', (piece) => {
      head += piece.toString('latin1')
      const status = /^HTTP\/1\.[01] (\d{3})[ \r]/.exec(head)?.[1]
      if (status !== undefined) end(!status.startsWith('5'))
      else if (head.length > headBytes) end(false)
    })
    socket.on('error', () => end(false))
    socket.on('close', () => end(false))
  })
}
