/**
 * No isolation: a payload runs as the pilot does, and may do what the pilot may do. The launcher still keeps the steps
 * before it free of the job; where the machine has no interpreter for it, the payload is started directly and no step stands
 * before.
 */

import { makeDirectory, removeDirectory } from '../directory.ts'
import type { Isolation } from './isolation.ts'
import { findLauncher } from './launcher.ts'
import { measureHere } from './measure.ts'

/** `launcher`: null for none. */
export function plainIsolation(launcher: readonly string[] | null = findLauncher() ?? null): Isolation {
  return {
    kind: 'plain',
    tool: '',
    confine: (_key, dir) => ({
      command: launcher ?? [],
      mode: launcher ? 'exec' : 'direct',
      prepare: () => makeDirectory(dir),
      // Nothing marks what is left: the watcher looks for its traces.
      end: async () => 0,
      remove: () => removeDirectory(dir),
      measure: (pids, limits) => measureHere(dir, pids, limits, false),
    }),
    endLeftovers: async () => {},
    removeDirectory: (dir, keeping) => removeDirectory(dir, undefined, keeping),
    places: () => Infinity,
    retired: () => [],
  }
}
