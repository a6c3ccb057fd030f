/**
 * Who may call what, and how far it reaches: one row a method, one column a role. There is no other place.
 *
 * The table's type demands a row for every method of the proto: a method that was forgotten does not compile, and a test
 * generated from the proto tries every cell. A caller with several roles reaches as far as the farthest.
 */

import type { Identity, UserRole } from '../../../core/model/owner.ts'
import type { Reach } from '../../../core/access/reach.ts'
import type { JobServiceServer } from '../../../proto/gen/pilotage/v1/job.ts'
import type { OperateServiceServer } from '../../../proto/gen/pilotage/v1/operate.ts'
import type { VmServiceServer } from '../../../proto/gen/pilotage/v1/vm.ts'

/** The methods of a generated server type, without the index signature that it carries. */
type Named<Server> = { [Key in keyof Server as string extends Key ? never : Key]: unknown }
export type MethodName = keyof Named<JobServiceServer> | keyof Named<VmServiceServer> | keyof Named<OperateServiceServer>

export type Role = 'anonymous' | 'vm' | UserRole

type Row = Readonly<Record<Role, Reach>>

const nobody: Row = { anonymous: 'none', vm: 'none', user: 'none', operator: 'none', admin: 'none' }
const ownOnly: Row = { ...nobody, user: 'own', operator: 'own', admin: 'own' }
const steers: Row = { ...nobody, user: 'own', operator: 'any', admin: 'any' }
const looks: Row = { ...nobody, user: 'vo', operator: 'any', admin: 'any' }
const everyUser: Row = { ...nobody, user: 'any', operator: 'any', admin: 'any' }
const operates: Row = { ...nobody, operator: 'any', admin: 'any' }
const vmItself: Row = { ...nobody, vm: 'own' }

export const authorization: Readonly<Record<MethodName, Row>> = {
  submitJobs: ownOnly,
  submitJobStream: ownOnly,
  listJobs: looks,
  killJobs: steers,
  holdJobs: steers,
  releaseJobs: steers,
  rescheduleJobs: steers,
  getJobHistory: looks,
  explainJob: looks,
  // What a payload wrote may be private: not even one's own VO reads it.
  getOutput: steers,
  watchJobs: looks,

  activate: { ...nobody, anonymous: 'own' },
  session: vmItself,
  putOutput: vmItself,
  beat: vmItself,

  getStatus: looks,
  listTaskQueues: looks,
  // Of VMs and plans a user sees what concerns the own VO.
  listVms: looks,
  getVmHistory: looks,
  listClouds: looks,
  drainVm: operates,
  listImages: everyUser,
  addImage: operates,
  approveImage: operates,
  disapproveImage: operates,
  revokeImage: operates,
  createToken: { ...nobody, admin: 'any' },
}

const farther: readonly Reach[] = ['none', 'own', 'vo', 'any']

export function reachOf(method: MethodName, identity: Identity | undefined): Reach {
  const row = authorization[method]
  if (!identity) return row.anonymous
  if (identity.kind === 'vm') return row.vm
  return identity.roles.reduce<Reach>(
    (reach, role) => (farther.indexOf(row[role]) > farther.indexOf(reach) ? row[role] : reach),
    'none',
  )
}
