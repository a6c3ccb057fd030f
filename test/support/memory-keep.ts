/** Notes in memory, as the store keeps them for all directors; can be made to fail. */

import type { DriverNotes } from '../../services/adapters/cloud/kit/driver.ts'

export type MemoryKeep = DriverNotes & {
  /** From now on. */
  fail(what: 'read' | 'write'): void
  texts(): readonly string[]
}

export function memoryKeep(): MemoryKeep {
  const notes = new Map<string, string>()
  const failing = new Set<string>()
  const check = (what: 'read' | 'write'): void => {
    if (failing.has(what)) throw new Error(`the ${what} was made to fail`)
  }
  return {
    async read(name) {
      check('read')
      return notes.get(name)
    },
    async write(name, text) {
      check('write')
      notes.set(name, text)
    },
    fail: (what) => void failing.add(what),
    texts: () => [...notes.values()],
  }
}
