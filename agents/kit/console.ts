/**
 * The agents' lines on the VM's console: short, with the time, and free of secrets. Operators read them in the cloud's log.
 */

import type { Clock } from '../../core/kernel/clock.ts'

export type Say = (line: string) => void

/** A runaway text (a payload's file name, a service's reason) must not fill the console. */
const lineLength = 400

export function sayTo(write: (text: string) => void, clock: Clock, agent: 'pilot' | 'monitor'): Say {
  return (line) => {
    const short = line.length <= lineLength ? line : `${line.slice(0, lineLength - 3)}...`
    const oneLine = short.replaceAll(/[\r\n]+/g, ' ')
    write(`${new Date(clock.nowMs()).toISOString()} ${agent}: ${oneLine}\n`)
  }
}

export type SayOnce = {
  say(line: string): void
  /** What was said is news again. */
  clear(): void
}

/** For what is tried again and again: an outage is one line a reason, not one a try. */
export function sayOnce(say: Say): SayOnce {
  const said = new Set<string>()
  return {
    say(line) {
      if (!said.has(line)) say(line)
      said.add(line)
    },
    clear: () => said.clear(),
  }
}
