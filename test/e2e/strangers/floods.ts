/** Every flood of the scenario `strangers`, in the order in which they are run. */

import { cancelledStreams } from './cancelled-streams.ts'
import { dashboard } from './dashboard.ts'
import type { Flood } from './flood.ts'
import { unfinishedMessages } from './unfinished-messages.ts'

export const floods: readonly Flood[] = [unfinishedMessages, cancelledStreams, dashboard]
