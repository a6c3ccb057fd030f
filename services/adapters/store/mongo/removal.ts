/**
 * What is left of removed jobs beside their page: their descriptions, and at last the empty page. Follows the write that
 * took the jobs out of the page; a process that dies in between leaves texts that no caller can reach, or an empty page,
 * which no listing and no claim sees.
 */

import type { JobId } from '../../../../core/kernel/ids.ts'
import { type Database, guarded } from './database.ts'
import type { Page } from './page.ts'
import { forgetOutputs } from './sandbox.ts'
import type { SpecCache } from './specs.ts'

type Within = { readonly database: Database; readonly specs: SpecCache }

/** Of jobs that were deleted. `page`: as it is without them. */
export async function removeDescriptions(within: Within, page: Page, removed: ReadonlySet<JobId>): Promise<void> {
  await forgetOutputs(within.database, [...removed])
  if (page.jobs.size === 0) return removeEmpty(within, page.first, page.version)
  const blank = Object.fromEntries([...removed].map((id) => [`s.${id - page.first}`, '']))
  await guarded('deleting descriptions', () => within.database.specs.updateOne({ _id: page.first }, { $set: blank }))
  within.specs.forget(page.first)
}

/** Without effect where it has changed since. */
export async function removeEmpty({ database, specs }: Within, first: JobId, version: number): Promise<void> {
  await guarded('removing an empty page', async () => {
    await database.pages.deleteOne({ _id: first, cv: version })
    await database.specs.deleteOne({ _id: first })
  })
  specs.forget(first)
}
