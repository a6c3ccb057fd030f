/** Writes what a payload wrote: byte by byte, or on a terminal with its control characters spelled out. */

import { outputForTerminal } from '../../core/kernel/text.ts'
import type { Terminal } from './terminal.ts'

export type OutputWriter = { next(piece: Uint8Array): Promise<void>; end(): Promise<void> }

/** `raw`: byte by byte also on a terminal. */
export function outputWriter(terminal: Terminal, raw = false): OutputWriter {
  if (raw || !terminal.isTerminal) {
    return {
      async next(piece) {
        await terminal.write(piece)
      },
      end: async () => undefined,
    }
  }
  const shown = outputForTerminal()
  // As bytes: what is left in it is meant for the terminal, and a joined character must stay whole.
  return {
    async next(piece) {
      await terminal.write(Buffer.from(shown.next(piece)))
    },
    async end() {
      await terminal.write(Buffer.from(shown.end()))
    },
  }
}
