/** The agents' lines on the VM's console: short, with the time, and free of secrets. Operators read them in the cloud's log. */

import type { Clock } from '../../core/clock.ts'

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
