/** Usage: sums by any attributes, and records, page by page as the loop goes on. */

import { page } from '../core/kernel/limits.ts'
import type { RecordQuery, UsageQuery, UsageRecord, UsageRow } from '../core/model/usage-record.ts'
import { usageQueryToWire, usageRecordOfWire, usageRowOfWire } from '../proto/codec/accounting.ts'
import { timeOf } from '../proto/codec/times.ts'
import type { AccountingServiceClient } from '../proto/gen/pilotage/v1/accounting.ts'
import type { Unary } from './calls.ts'

export type UsageSelection = Omit<UsageQuery, 'after' | 'limit'>
export type RecordSelection = Omit<RecordQuery, 'after' | 'limit'>

export type AccountingCalls = {
  /** In the order of the values of `by`. */
  usage(selection: UsageSelection): AsyncGenerator<UsageRow, void, undefined>
  /** The earliest end first. */
  usageRecords(selection: RecordSelection): AsyncGenerator<UsageRecord, void, undefined>
}

type Read = <Request, Response>(
  doing: string,
  method: (client: AccountingServiceClient) => Unary<Request, Response>,
  request: Request,
) => Promise<Response>

export function accountingCalls(read: Read): AccountingCalls {
  return {
    async *usage(selection) {
      const request = { ...usageQueryToWire(selection), pageSize: page.max }
      const pages = pagesOf((pageToken) =>
        read('reporting usage', (to) => to.reportUsage.bind(to), { ...request, pageToken }),
      )
      for await (const { rows } of pages) yield* rows.map(usageRowOfWire)
    },
    async *usageRecords({ fromMs, toMs, kind = '', vo = '' }) {
      const request = { fromTime: timeOf(fromMs), toTime: timeOf(toMs), kind, vo, pageSize: page.max }
      const pages = pagesOf((pageToken) =>
        read('listing usage records', (to) => to.listUsageRecords.bind(to), { ...request, pageToken }),
      )
      for await (const { records } of pages) yield* records.map(usageRecordOfWire).filter((one) => one !== undefined)
    },
  }
}

async function* pagesOf<Page extends { readonly nextPageToken: string }>(
  readPage: (pageToken: string) => Promise<Page>,
): AsyncGenerator<Page, void, undefined> {
  let next: Page | undefined
  do {
    next = await readPage(next?.nextPageToken ?? '')
    yield next
  } while (next.nextPageToken !== '')
}
