/**
 * Reads an installation's facts from its stream, for whoever wants history outside of it.
 *
 * With a durable name the server remembers what was acknowledged: a reader of that name goes on after it, and several of one
 * name share the facts. Without one, the place is kept here and gone with the reader. At least once: what was given and not
 * acknowledged comes again, after half a minute or at once where the reader ended in good order; `seq` tells it apart. At
 * most `prefetch` facts are here or under way at a time.
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
import { sleep } from '../../../../core/clock.ts'
import { PilotageError } from '../../../../core/errors.ts'
import type { Fact } from '../../../../core/facts.ts'
import { jitter } from '../../../../core/random.ts'
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
}

export type GivenFact = {
  readonly fact: Fact
  /** It need not come again. Means something to a durable reader only. */
  acknowledge(): void
}

const timeoutMs = 10_000
const againMs = 1000
/** A request for more is good for so long; a server that hangs is noticed within it. */
const pullMs = 10_000
/** An unacknowledged fact comes again after so long. */
const acknowledgeMs = 30_000
/** The server forgets a nameless reader that was silent for so long. */
const forgetMs = 60_000

/**
 * Throws `invalid-argument` for options that can never work. Where it does not follow: `unavailable` where NATS is not there,
 * `not-found` where the installation has no stream.
 */
export async function* readFacts(options: FactReaderOptions): AsyncGenerator<GivenFact, void> {
  const { clock, random, log, signal, follow, durable } = options
  if (durable !== undefined) checkToken('durable', durable)
  const link = openNatsLink(options)
  const place: Place = { nextSeq: undefined, endSeq: undefined }
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

/** In the stream's own numbers: what comes next for a nameless reader, and behind which one it ends. */
type Place = { nextSeq: number | undefined; endSeq: number | undefined }

type Take = (message: JsMsg) => void

/** As long as one connection lasts. */
async function* readOn(
  link: NatsLink,
  options: FactReaderOptions,
  place: Place,
): AsyncGenerator<GivenFact, 'end' | 'again'> {
  const { signal, follow, durable, log, prefetch = 256 } = options
  // Where nobody remembers, there is nothing to acknowledge and nothing to give back.
  const acknowledge: Take = durable === undefined ? () => {} : (message) => message.ack()
  const giveBack: Take = durable === undefined ? () => {} : (message) => message.nak()
  const connection = await link.connected(timeoutMs, signal)
  const { consumer, waiting } = await openConsumer(connection, options, place)
  if (!follow && waiting === 0) return 'end'
  while (link.current() === connection && !signal.aborted) {
    for await (const message of pulled(consumer, prefetch, signal, giveBack)) {
      place.nextSeq = message.seq + 1
      const fact = readFactMessage(message.data)
      if (fact) yield { fact, acknowledge: () => acknowledge(message) }
      else {
        log.warn({ subject: message.subject, streamSeq: message.seq }, 'a message that is no fact was passed over')
        acknowledge(message)
      }
      if (!follow && place.endSeq !== undefined && message.seq >= place.endSeq) return 'end'
    }
  }
  return 'again'
}

/** One request for messages, to its end; what nobody has taken by then goes back. */
async function* pulled(consumer: Consumer, most: number, signal: AbortSignal, giveBack: Take): AsyncGenerator<JsMsg, void> {
  const batch = await consumer.fetch({ max_messages: most, expires: pullMs })
  const stop = (): void => void batch.close()
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  const messages = batch[Symbol.asyncIterator]()
  try {
    for (let next = await messages.next(); !next.done; next = await messages.next()) {
      if (signal.aborted) giveBack(next.value)
      else yield next.value
    }
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
    for (let next = await messages.next(); !next.done; next = await messages.next()) giveBack(next.value)
  }
}

async function openConsumer(
  connection: NatsConnection,
  { installation, durable, from }: FactReaderOptions,
  place: Place,
): Promise<{ readonly consumer: Consumer; readonly waiting: number }> {
  const { streams, consumers } = await jetstreamManager(connection, { checkAPI: false, timeout: timeoutMs })
  const name = streamName(installation)
  const stream = await orMissing(streams.info(name))
  if (!stream) throw new PilotageError('not-found', `NATS has no facts of an installation ${installation}`)
  const { last_seq: lastSeq } = stream.state
  place.endSeq ??= lastSeq
  const known = durable === undefined ? undefined : await orMissing(consumers.info(name, durable))
  const info = known ?? (await consumers.add(name, consumerConfig(durable, from, place, stream)))
  return { consumer: jetstream(connection).consumers.getConsumerFromInfo(info), waiting: info.num_pending }
}

function consumerConfig(
  durable: string | undefined,
  from: FactReaderOptions['from'],
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
  // Numbers beyond the end were another stream's, which was taken away meanwhile.
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
