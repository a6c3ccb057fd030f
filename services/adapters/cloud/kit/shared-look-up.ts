/** A look-up that many callers ask for at one time, done once for all of them. Does not know what is looked up. */

/**
 * Every answer comes from a look-up that began after the call: one runs, and one more waits for it, however many callers
 * there are.
 */
export function sharedLookUp<T>(lookUp: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined
  let next: Promise<T> | undefined

  function start(): Promise<T> {
    const begun = lookUp().finally(() => {
      if (running === begun) running = undefined
    })
    running = begun
    return begun
  }

  return () => {
    if (!running) return start()
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = undefined
        return start()
      })
    return next
  }
}
