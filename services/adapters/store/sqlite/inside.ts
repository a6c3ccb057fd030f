/** What the files of the embedded store's operations share: its one database and what is derived from it in memory. */

import type { DatabaseSync } from 'node:sqlite'
import type { ColumnWriter } from './column-writer.ts'
import type { Tallies } from './tallies.ts'
import type { Vm } from '../../../../core/model/vm.ts'
import type { QueueTable } from './queues.ts'
import type { Decisions } from '../../../../core/model/apply.ts'

/** What the operation files share. `tallies` is replaced as a whole when it is rebuilt. */
export type Inside = {
  readonly db: DatabaseSync
  /** Core's own functions, except in the simulation. */
  readonly decisions: Decisions
  readonly queues: QueueTable
  readonly liveVms: Map<string, Vm>
  /** Of a service's store alone. */
  readonly columns: ColumnWriter
  tallies: Tallies
  /** The highest number that a fact ever had: it may be forgotten, and is never given again. */
  lastFact: number
}
