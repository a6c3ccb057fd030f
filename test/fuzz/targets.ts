/** All targets of `npm run fuzz`. A new one is a line here. */

import type { FuzzTarget } from './target.ts'
import { documentTargets } from './targets/documents.ts'
import { expressionTargets } from './targets/expressions.ts'
import { fieldTargets } from './targets/fields.ts'
import { graphTargets } from './targets/graphs.ts'
import { messageTargets } from './targets/messages.ts'

export const targets: readonly FuzzTarget[] = [
  ...documentTargets,
  ...fieldTargets,
  ...expressionTargets,
  ...graphTargets,
  ...messageTargets,
]
