/** Our own mistakes stop here, in production too: corrupt state must not travel on. */

export function assert(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`assertion failed: ${what}`)
}

/** Ends an exhaustive switch: the compiler proves that it is never reached. */
export function never(value: never): never {
  throw new Error(`assertion failed: unexpected ${JSON.stringify(value)}`)
}
