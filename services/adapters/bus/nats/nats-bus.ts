/**
 * The bus of many processes: hints on core subjects of NATS, which keeps none of them.
 *
 * The bus within this process, which is given, carries everything to the listeners here: one's own hints at once, whether
 * NATS is there or not, and those of others as they come. What is hinted while NATS is away, or faster than it takes it, is
 * dropped. No loop is woken when NATS comes back: no hint says so, and every loop wakes by itself.
 */

import type { Msg, NatsConnection } from '@nats-io/transport-node'
import type { Bus, Hint, HintKind } from '../../../../core/ports/bus.ts'
import { type BoundedWay, boundedWay } from './bounded-way.ts'
import { hintMessages, readHintMessage } from './hint-message.ts'
import { type NatsOptions, openNatsLink } from './nats-link.ts'
import { hintSubject } from './subjects.ts'

export type NatsBusOptions = NatsOptions & {
  /** The bus within this process. */
  readonly own: Bus
}

export type NatsBus = Bus & {
  /** Sends what was hinted and hears no other process any more; within this process the bus goes on. */
  close(): Promise<void>
}

/** Returns at once, whether NATS is there or not. Throws `invalid-argument` for options that can never work. */
export function natsBus(options: NatsBusOptions): NatsBus {
  const { own, clock, log, installation } = options
  const heard = new Set<HintKind>()
  const gathered = new Map<HintKind, Set<Hint['ids'][number]>>()
  const dropped = counter((count) => log.warn({ count }, 'hints were dropped: NATS does not take them'))
  const refused = counter((count) => log.warn({ count }, 'messages that are no hints were dropped'))
  let way: BoundedWay | undefined

  const link = openNatsLink(options, (connection) => {
    way = boundedWay(connection)
    for (const kind of heard) subscribe(connection, kind)
  })

  /** Only to what this process listens to. */
  function subscribe(connection: NatsConnection, kind: HintKind): void {
    const callback = (error: Error | null, message: Msg): void => {
      const ids = error ? undefined : readHintMessage(message.data)
      if (error) log.warn({ err: error, kind }, 'hints of other processes are not heard')
      else if (ids) own.hint({ kind, ids })
      else refused()
    }
    connection.subscribe(hintSubject(installation, kind), { callback })
  }

  function send(): void {
    const hints = [...gathered]
    gathered.clear()
    if (!link.current()) return
    for (const [kind, ids] of hints) {
      for (const message of hintMessages([...ids])) if (!way?.send(hintSubject(installation, kind), message)) dropped()
    }
  }

  return {
    hint(hint) {
      own.hint(hint)
      if (hint.ids.length === 0 || !link.current()) return
      // What one turn hints goes together, each id once.
      if (gathered.size === 0) clock.soon(send)
      const ids = gathered.get(hint.kind) ?? new Set()
      for (const id of hint.ids) ids.add(id)
      gathered.set(hint.kind, ids)
    },
    listen(kind, hear) {
      const connection = heard.has(kind) ? undefined : link.current()
      heard.add(kind)
      // One that is just being closed takes no subscription, and the next one gets all of them.
      if (connection && !connection.isDraining()) subscribe(connection, kind)
      return own.listen(kind, hear)
    },
    async close() {
      send()
      await link.close()
    },
  }
}

/** Counts what goes by and logs the 1st, the 2nd, the 4th, the 8th...: a flood is seen and does not flood the log. */
function counter(report: (count: number) => void): () => void {
  let count = 0
  return () => {
    count += 1
    if (Number.isInteger(Math.log2(count))) report(count)
  }
}
