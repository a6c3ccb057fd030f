/**
 * What is known of a method before anything of its message is read: who it is for, and how large a message of it may be.
 *
 * A method of ours that has no line here takes the smallest messages. Whatever else the port serves (health, reflection) is
 * open to every caller and takes only small messages.
 */

import { messageBytes } from '../../../core/kernel/limits.ts'
import { AccountingServiceService } from '../../../proto/gen/pilotage/v1/accounting.ts'
import { JobServiceService } from '../../../proto/gen/pilotage/v1/job.ts'
import { OperateServiceService } from '../../../proto/gen/pilotage/v1/operate.ts'
import { SandboxServiceService } from '../../../proto/gen/pilotage/v1/sandbox.ts'
import { VmServiceService } from '../../../proto/gen/pilotage/v1/vm.ts'
import type { MethodName } from './authorization.ts'

export type MethodRule = {
  /** Absent: a method that is not ours. */
  readonly name?: MethodName
  readonly maxBytes: number
  /** What a call of it costs its caller before its size is known; a read of one thing is 1. */
  readonly cost: number
}

const sizes: Partial<Record<MethodName, number>> = {
  submitJobs: messageBytes.submission,
  submitJobStream: messageBytes.submission,
  putOutput: messageBytes.piece,
  putLiveOutput: messageBytes.piece,
  putOutputFile: messageBytes.piece,
  putFile: messageBytes.piece,
  hasFiles: messageBytes.ids,
  session: messageBytes.session,
  listJobs: messageBytes.ids,
  killJobs: messageBytes.ids,
  holdJobs: messageBytes.ids,
  releaseJobs: messageBytes.ids,
  rescheduleJobs: messageBytes.ids,
  bulkKillJobs: messageBytes.manyIds,
  bulkHoldJobs: messageBytes.manyIds,
  bulkReleaseJobs: messageBytes.manyIds,
  bulkRescheduleJobs: messageBytes.manyIds,
  bulkDeleteJobs: messageBytes.manyIds,
  bulkSetPriority: messageBytes.manyIds,
  watchJobs: messageBytes.ids,
  addImage: messageBytes.image,
}

/**
 * A submission shares its commit with others: a quarter of a read's time on the service's one thread. Activations are
 * counted per address: 250 per second of them are the VMs of any site that boots behind one.
 */
const costs: Partial<Record<MethodName, number>> = {
  submitJobs: 0.25,
  submitJobStream: 0.25,
  beat: 0.25,
  putOutput: 0.25,
  putLiveOutput: 0.25,
  putOutputFile: 0.25,
  fetchInput: 0.25,
  activate: 10,
}

const rules: ReadonlyMap<string, MethodRule> = new Map(
  [JobServiceService, SandboxServiceService, VmServiceService, OperateServiceService, AccountingServiceService].flatMap(
    (service) =>
      Object.entries(service).map(([key, { path }]): [string, MethodRule] => {
        const name = key as MethodName
        return [path, { name, maxBytes: sizes[name] ?? messageBytes.small, cost: costs[name] ?? 1 }]
      }),
  ),
)

const notOurs: MethodRule = { maxBytes: messageBytes.small, cost: 1 }

export function ruleOf(path: string): MethodRule {
  return rules.get(path) ?? notOurs
}
