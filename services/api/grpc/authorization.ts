/**
 * The action that each gRPC method is: what a caller may do with it stands in core/access/actions.ts.
 *
 * The table's type demands a row for every method of the proto: a method without an action does not compile.
 */

import { type Action, reachOf } from '../../../core/access/actions.ts'
import type { Reach } from '../../../core/access/reach.ts'
import type { Identity } from '../../../core/model/owner.ts'
import type { AccountingServiceServer } from '../../../proto/gen/pilotage/v1/accounting.ts'
import type { JobServiceServer } from '../../../proto/gen/pilotage/v1/job.ts'
import type { OperateServiceServer } from '../../../proto/gen/pilotage/v1/operate.ts'
import type { SandboxServiceServer } from '../../../proto/gen/pilotage/v1/sandbox.ts'
import type { VmServiceServer } from '../../../proto/gen/pilotage/v1/vm.ts'

/** The methods of a generated server type, without the index signature that it carries. */
type Named<Server> = { [Key in keyof Server as string extends Key ? never : Key]: unknown }
export type MethodName =
  | keyof Named<JobServiceServer>
  | keyof Named<SandboxServiceServer>
  | keyof Named<VmServiceServer>
  | keyof Named<OperateServiceServer>
  | keyof Named<AccountingServiceServer>

export const methodActions: Readonly<Record<MethodName, Action>> = {
  submitJobs: 'job.submit',
  submitJobStream: 'job.submit',
  listJobs: 'job.list',
  countJobs: 'job.list',
  reportUsage: 'usage.read',
  listUsageRecords: 'usage.read',
  killJobs: 'job.kill',
  holdJobs: 'job.hold',
  releaseJobs: 'job.release',
  rescheduleJobs: 'job.reschedule',
  bulkKillJobs: 'job.kill',
  bulkHoldJobs: 'job.hold',
  bulkReleaseJobs: 'job.release',
  bulkRescheduleJobs: 'job.reschedule',
  bulkDeleteJobs: 'job.delete',
  bulkSetPriority: 'job.prioritise',
  getJobHistory: 'job.read',
  explainJob: 'job.read',
  getJobSpec: 'job.spec',
  getOutput: 'job.output',
  peekOutput: 'job.output',
  watchJobs: 'job.watch',

  hasFiles: 'sandbox.put',
  putFile: 'sandbox.put',
  listOutputFiles: 'job.output',
  getOutputFile: 'job.output',

  activate: 'vm.activate',
  session: 'vm.session',
  putOutput: 'vm.output',
  putLiveOutput: 'vm.output',
  putOutputFile: 'vm.output',
  fetchInput: 'vm.input',
  beat: 'vm.heartbeat',

  getStatus: 'status.read',
  listTaskQueues: 'task-queue.list',
  listVms: 'vm.list',
  getVmHistory: 'vm.read',
  listClouds: 'cloud.list',
  drainVm: 'vm.drain',
  listImages: 'image.list',
  addImage: 'image.add',
  approveImage: 'image.approve',
  disapproveImage: 'image.disapprove',
  revokeImage: 'image.revoke',
  listShares: 'share.list',
  setShareWeight: 'share.set',
  createToken: 'token.create',
}

export function methodReach(method: MethodName, identity: Identity | undefined): Reach {
  return reachOf(methodActions[method], identity)
}
