/** Every flood of the scenario `strangers`, in the order in which they are run. */

import { activationGuesses } from './activation-guesses.ts'
import { cancelledStreams } from './cancelled-streams.ts'
import { connections } from './connections.ts'
import { dashboard } from './dashboard.ts'
import type { Flood } from './flood.ts'
import { gzip } from './gzip.ts'
import { lists } from './lists.ts'
import { queues } from './queues.ts'
import { unfinishedMessages } from './unfinished-messages.ts'
import { watchFlood } from './watches.ts'

export const floods: readonly Flood[] = [
  unfinishedMessages,
  gzip,
  activationGuesses,
  connections,
  cancelledStreams,
  watchFlood,
  lists,
  queues,
  dashboard,
]
