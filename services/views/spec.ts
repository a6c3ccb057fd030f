/** What was submitted, as the document that a user would write: one form for the page and for the JSON route. */

import { writeJob } from '../../core/language/document.ts'
import type { JobSpec } from '../../core/model/job.ts'

export type SpecView = Readonly<Record<string, unknown>>

export function specView(spec: JobSpec): SpecView {
  return writeJob(spec)
}
