/** Sending messages on a stream no faster than its other side takes them, until the call is over, however it ends. */

export type PushStream<Message> = {
  write(message: Message): boolean
  end(): void
  cancel(): void
  once(event: 'drain', hear: () => void): unknown
  off(event: 'drain', hear: () => void): unknown
}

/**
 * `over`: the answer of the call. Resolves with it; rejects with its error, or with what the messages throw, and then the
 * call is cancelled. No more messages are asked for once the call is over.
 */
export async function pushed<Message, Answer>(
  stream: PushStream<Message>,
  messages: AsyncIterable<Message>,
  over: Promise<Answer>,
): Promise<Answer> {
  let isOver = false
  const settled = over.then(
    () => {
      isOver = true
    },
    () => {
      isOver = true
    },
  )
  try {
    for await (const message of messages) {
      if (isOver) break
      if (stream.write(message)) continue
      await roomOr(stream, settled)
    }
  } catch (error) {
    stream.cancel()
    await settled
    throw error
  }
  if (!isOver) stream.end()
  return over
}

async function roomOr<Message>(stream: PushStream<Message>, settled: Promise<void>): Promise<void> {
  const room = Promise.withResolvers<void>()
  const hear = (): void => room.resolve()
  stream.once('drain', hear)
  try {
    await Promise.race([room.promise, settled])
  } finally {
    stream.off('drain', hear)
  }
}
