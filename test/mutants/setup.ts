/** Setup file of vitest while coverage is read: says in the notes which test runs. See `points.ts`. */

import { appendFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'

const sink = join(import.meta.dirname, '../../sink')
const shared = globalThis as { __pRound?: number }

function say(line: string): void {
  shared.__pRound = (shared.__pRound ?? 0) + 1
  appendFileSync(sink, `${line}\n`)
}

if (existsSync(sink)) {
  beforeEach(({ task }) => say(`T ${process.pid} ${task.id}`))
  afterEach(() => say(`E ${process.pid}`))
}
