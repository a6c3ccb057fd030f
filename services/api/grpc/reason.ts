/** The reason that a caller gives for what is done. */

import { PilotageError, shown } from '../../../core/kernel/errors.ts'
import { isPlainText, plainTextForm } from '../../../core/kernel/text.ts'

const reasonLength = 500

/** A reason is kept in each job's history: a sentence, not a document. */
export function reasonOf(reason: string): string {
  const isShort = reason.length <= reasonLength
  if (isShort && isPlainText(reason)) return reason
  const rule = isShort ? 'not a reason' : 'too long'
  throw new PilotageError('invalid-argument', isShort ? 'the reason has hidden characters' : 'the reason is too long', {
    violations: [{ path: 'reason', value: shown(reason), rule, accepted: `at most ${reasonLength} ${plainTextForm}` }],
  })
}
