/**
 * Reads an installation's facts from its stream, for programs that want history outside of it.
 *
 * With a durable name the server remembers what was acknowledged: a reader of that name goes on after it, and several of one
 * name share the facts. Without one, the place is kept here and gone with the reader. At least once: what was given and not
 * acknowledged comes again, after half a minute, or at once where the reader ends in good order; `seq` identifies it. At
 * most `prefetch` facts that were not given yet are here or under way.
 */

import {
  AckPolicy,
  type Consumer,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  jetstream,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  type JsMsg,
  type StreamInfo,
} from '@nats-io/jetstream'
import { nanos, type NatsConnection } from '@nats-io/transport-node'
import { sleep, type Timer } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { Fact } from '../../../../core/model/fact-shapes.ts'
import { jitter } from '../../../../core/kernel/random.ts'
import { readFactMessage } from './fact-message.ts'
import { type NatsLink, type NatsOptions, openNatsLink } from './nats-link.ts'
import { checkToken, streamName } from './subjects.ts'

export type FactReaderOptions = NatsOptions & {
  readonly durable?: string
  /** Where a new reader begins. A durable one that is known goes on where it was. */
  readonly from: 'beginning' | 'now'
  /** Waits for more, for ever, and for NATS where it is away. Else it ends behind what the stream had when it began. */
  readonly follow: boolean
  /** Ends the reading in good order. */
  readonly signal: AbortSignal
  readonly prefetch?: number
  /** For a new durable reader: what it has not acknowledged by then comes again. */
  readonly acknowledgeMs?: number
}

export type GivenFact = {
  readonly fact: Fact
  /** It need not come again. Means something to a durable reader only. */
  acknowledge(): void
}

const timeoutMs = 10_000
const againMs = 1000
/** The time for which a request for more is valid; a server that hangs is noticed within it. */
const pullMs = 10_000
/** A reader that does not follow waits this time for what others have taken and may give back. */
const lastPullMs = 1000
/** What was asked for and is there comes within milliseconds, or to another reader of the name. */
const settleMs = 1000
/** The server forgets a nameless reader that was silent for this time. */
const forgetMs = 60_000

/**
 * Throws `invalid-argument` for options that can never work. Where it does not follow: `unavailable` where NATS is not
 * there, `not-found` where the installation has no stream.
 */
export async function* readFacts(options: FactReaderOptions): AsyncGenerator<GivenFact, void> {
  const { clock, random, log, signal, follow, durable } = options
  if (durable !== undefined) checkToken('durable', durable)
  const link = openNatsLink(options)
  const place: Place = { nextSeq: undefined }
  let said = ''
  try {
    while (!signal.aborted) {
      try {
        if ((await (yield* readOn(link, options, place))) === 'end') return
      } catch (thrown) {
        if (signal.aborted) return
        const error = asUnavailable(thrown)
        if (!follow) throw error
        if (error.message !== said) log.warn({ reason: error.message }, 'facts cannot be read now; trying again')
        said = error.message
        await sleep(clock, jitter(againMs, random), signal)
      }
    }
  } finally {
    await link.close()
  }
}

/** Where a nameless reader is, in the stream's own numbers. */
type Place = { nextSeq: number | undefined }

type Take = (message: JsMsg) => void

/** As long as one connection lasts. */
async function* readOn(
  link: NatsLink,
  options: FactReaderOptions,
  place: Place,
): AsyncGenerator<GivenFact, 'end' | 'again'> {
  const { signal, follow, durable, log, prefetch = 256 } = options
  /** Given and not acknowledged; nothing where no process remembers. */
  const open = new Set<JsMsg>()
  const acknowledge: Take = (message) => {
    if (open.delete(message)) message.ack()
  }
  const connection = await link.connected(timeoutMs, signal)
  const { consumer, info } = await openConsumer(connection, options, place)
  let left = info.num_pending + info.num_ack_pending
  let pending = info.num_pending
  try {
    while (link.current() === connection && !signal.aborted) {
      if (!follow && left <= 0) return 'end'
      const leftBefore = left
      // No more than there is: a request that can be met at once has an end at once, and nothing stays under way behind it.
      const maxMessages = Math.max(1, Math.min(pending, prefetch))
      pending = 0
      for await (const message of pulled(consumer, maxMessages, options)) {
        left -= 1
        pending = message.info.pending
        place.nextSeq = message.seq + 1
        if (durable !== undefined) open.add(message)
        const fact = readFactMessage(message.data)
        if (fact) yield { fact, acknowledge: () => acknowledge(message) }
        else {
          log.warn({ subject: message.subject, streamSeq: message.seq }, 'a message that is no fact was passed over')
          acknowledge(message)
        }
      }
      if (!follow && left === leftBefore) return 'end'
    }
    return 'again'
  } finally {
    for (const message of open) message.nak()
  }
}

/**
 * One request for messages, to its end. What the caller has not taken by then goes back, so that it need not wait for its
 * time.
 */
async function* pulled(
  consumer: Consumer,
  maxMessages: number,
  { clock, signal, follow, durable }: FactReaderOptions,
): AsyncGenerator<JsMsg, void> {
  const batch = await consumer.fetch({ max_messages: maxMessages, expires: follow ? pullMs : lastPullMs })
  const messages = batch[Symbol.asyncIterator]()
  let timer: Timer | undefined
  const end = (): void => {
    const waitMs = durable !== undefined && maxMessages > 1 ? settleMs : 0
    timer ??= clock.after(waitMs, () => void batch.close())
  }
  const giveBack: Take = durable === undefined ? () => {} : (message) => message.nak()
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  let isOver = false
  try {
    for (let next = await messages.next(); !next.done; next = await messages.next()) {
      if (signal.aborted) giveBack(next.value)
      else yield next.value
    }
    isOver = true
  } finally {
    if (!isOver) end()
    for (let next = await messages.next(); !next.done; next = await messages.next()) giveBack(next.value)
    signal.removeEventListener('abort', end)
    timer?.cancel()
  }
}

async function openConsumer(
  connection: NatsConnection,
  options: FactReaderOptions,
  place: Place,
): Promise<{ readonly consumer: Consumer; readonly info: ConsumerInfo }> {
  const { installation, durable } = options
  const { streams, consumers } = await jetstreamManager(connection, { checkAPI: false, timeout: timeoutMs })
  const name = streamName(installation)
  const stream = await orMissing(streams.info(name))
  if (!stream) throw new PilotageError('not-found', `NATS has no facts of an installation ${installation}`)
  const known = durable === undefined ? undefined : await orMissing(consumers.info(name, durable))
  const info = known ?? (await consumers.add(name, consumerConfig(options, place, stream)))
  return { consumer: jetstream(connection).consumers.getConsumerFromInfo(info), info }
}

function consumerConfig(
  { durable, from, acknowledgeMs = 30_000 }: FactReaderOptions,
  place: Place,
  { state: { last_seq: lastSeq } }: StreamInfo,
): Partial<ConsumerConfig> {
  if (durable !== undefined) {
    return {
      durable_name: durable,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(acknowledgeMs),
      deliver_policy: from === 'now' ? DeliverPolicy.New : DeliverPolicy.All,
    }
  }
  // Numbers beyond the end were another stream's, which was removed in between.
  if (place.nextSeq !== undefined && place.nextSeq > lastSeq + 1) place.nextSeq = 1
  place.nextSeq ??= from === 'now' ? lastSeq + 1 : 1
  return {
    ack_policy: AckPolicy.None,
    inactive_threshold: nanos(forgetMs),
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: place.nextSeq,
  }
}

/** Undefined for a stream or a consumer that is not there. */
async function orMissing<T extends StreamInfo | ConsumerInfo>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    const missing: readonly number[] = [JetStreamApiCodes.StreamNotFound, JetStreamApiCodes.ConsumerNotFound]
    if (error instanceof JetStreamApiError && missing.includes(error.code)) return undefined
    throw error
  }
}

function asUnavailable(thrown: unknown): PilotageError {
  if (thrown instanceof PilotageError) return thrown
  const reason = thrown instanceof Error ? thrown.message : String(thrown)
  return new PilotageError('unavailable', `reading facts from NATS: ${reason}`, { cause: thrown })
}
