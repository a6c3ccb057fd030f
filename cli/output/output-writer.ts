/** Writes what a payload wrote: byte by byte, or on a terminal with its control characters spelled out. */

import { outputForTerminal } from '../../core/kernel/text.ts'
import type { Terminal } from './terminal.ts'

export type OutputWriter = { next(piece: Uint8Array): Promise<void>; end(): Promise<void> }

export type WriterOptions = {
  /** Byte by byte also on a terminal. */
  readonly raw?: boolean
  /** Which of ours it goes to; absent: standard output, whichever it was of the payload's. */
  readonly name?: 'stdout' | 'stderr'
}

export function outputWriter(terminal: Terminal, { raw = false, name = 'stdout' }: WriterOptions = {}): OutputWriter {
  const write = (bytes: Uint8Array): Promise<boolean> =>
    name === 'stdout' ? terminal.write(bytes) : terminal.writeError(bytes)
  const isTerminal = name === 'stdout' ? terminal.isTerminal : terminal.progressColumns !== undefined
  if (raw || !isTerminal) {
    return {
      async next(piece) {
        await write(piece)
      },
      end: async () => undefined,
    }
  }
  const shown = outputForTerminal()
  // As bytes: what is left in it is meant for the terminal, and a joined character must stay whole.
  return {
    async next(piece) {
      await write(Buffer.from(shown.next(piece)))
    },
    async end() {
      await write(Buffer.from(shown.end()))
    },
  }
}
