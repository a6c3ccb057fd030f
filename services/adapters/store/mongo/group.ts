/**
 * What is asked while a group is being written makes the next group: the busier the process, the larger the group, and the
 * fewer the round trips a change. One group at a time; each asker gets its own answer or the failure of its group.
 */

export type Group<Ask, Answer> = {
  ask(asked: Ask): Promise<Answer>
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
}

type Waiting<Ask, Answer> = PromiseWithResolvers<Answer> & { readonly asked: Ask }

/** `run` answers in the order of what was asked. `weigh` says how much of `maxWeight` an ask takes. */
export function inGroups<Ask, Answer>(
  run: (asked: readonly Ask[]) => Promise<readonly (Answer | Promise<Answer>)[]>,
  {
    maxWeight,
    weigh,
    soon,
  }: { readonly maxWeight: number; readonly weigh: (asked: Ask) => number; readonly soon: (run: () => void) => void },
): Group<Ask, Answer> {
  const waiting: Waiting<Ask, Answer>[] = []
  let running: Promise<void> | undefined

  function cut(): Waiting<Ask, Answer>[] {
    let [count, weight] = [0, 0]
    while (count < waiting.length) {
      const next = waiting[count]
      if (!next) break
      weight += weigh(next.asked)
      if (count > 0 && weight > maxWeight) break
      count += 1
    }
    return waiting.splice(0, count)
  }

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const group = cut()
      try {
        const answers = await run(group.map(({ asked }) => asked))
        for (const [at, one] of group.entries()) one.resolve(answers[at] as Answer)
      } catch (error) {
        for (const one of group) one.reject(error)
      }
    }
    running = undefined
  }

  return {
    ask(asked) {
      const one = Object.assign(Promise.withResolvers<Answer>(), { asked })
      waiting.push(one)
      // What this turn of the event loop still brings goes along.
      if (!running) {
        running = new Promise<void>((resolve) => soon(resolve)).then(drain)
      }
      return one.promise
    },
    async idle() {
      while (running) await running
    },
  }
}
