/** The methods of AccountingService: decode, call one use case, encode. */

import { recordPageToWire, recordQueryOf, usagePageToWire, usageQueryOf } from '../../../proto/codec/accounting.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/accounting.ts'
import { listUsageRecords, reportUsage, type UsagePorts } from '../../accounting/report-usage.ts'
import { asUser, type Edge } from './edge.ts'

export function accountingHandlers(ports: UsagePorts, edge: Edge): wire.AccountingServiceServer {
  return {
    reportUsage: edge.unary('reportUsage', ({ ...request }: wire.ReportUsageRequest, caller) =>
      caller.load.read(async () => usagePageToWire(await reportUsage(ports, asUser(caller), usageQueryOf(request)))),
    ),
    listUsageRecords: edge.unary('listUsageRecords', ({ ...request }: wire.ListUsageRecordsRequest, caller) =>
      caller.load.read(async () => recordPageToWire(await listUsageRecords(ports, asUser(caller), recordQueryOf(request)))),
    ),
  }
}
