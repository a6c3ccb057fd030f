/** Gathers all messages to a pilot of one turn into one message. Decides nothing and keeps nothing. */

import type { Clock } from '../../core/kernel/clock.ts'
import type { Ack, Assignment, Command, ServiceMessage } from '../../core/model/pilot.ts'

export type Outbox = {
  welcome(said: NonNullable<ServiceMessage['welcome']>): void
  ack(ack: Ack): void
  assign(assignment: Assignment): void
  command(command: Command): void
  renewed(leaseMs: number): void
  /** Nothing is sent any more. */
  close(): void
}

export function openOutbox(clock: Clock, send: (message: ServiceMessage) => void): Outbox {
  let welcome: ServiceMessage['welcome']
  let acks: Ack[] = []
  let assignments: Assignment[] = []
  let commands: Command[] = []
  let renewedMs: number | undefined
  let due = false
  let closed = false

  function flush(): void {
    due = false
    if (closed) return
    const message: ServiceMessage = { welcome, acks, assignments, commands, renewedMs }
    welcome = undefined
    acks = []
    assignments = []
    commands = []
    renewedMs = undefined
    send(message)
  }

  function later(): void {
    if (due) return
    due = true
    clock.soon(flush)
  }

  return {
    welcome(said) {
      welcome = said
      later()
    },
    ack(ack) {
      acks.push(ack)
      later()
    },
    assign(assignment) {
      assignments.push(assignment)
      later()
    },
    command(command) {
      commands.push(command)
      later()
    },
    renewed(leaseMs) {
      renewedMs = leaseMs
      later()
    },
    close() {
      closed = true
    },
  }
}
