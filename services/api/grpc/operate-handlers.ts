/** The methods of OperateService: what operators look at and steer, and the administrator's tokens. */

import { PilotageError, shown } from '../../../core/kernel/errors.ts'
import { isVmId, type VmId } from '../../../core/kernel/ids.ts'
import type { Tokens } from '../../../core/ports/tokens.ts'
import { factToWire } from '../../../proto/codec/messages.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/operate.ts'
import { createToken } from '../../access/create-token.ts'
import type { Catalogue } from '../../images/catalogue.ts'
import { status, statusFor } from '../../jobs/status.ts'
import { listTaskQueues } from '../../jobs/task-queues.ts'
import type { JobPorts } from '../../jobs/ports.ts'
import { actionText, breakersText } from '../../views/cloud.ts'
import { vmView } from '../../views/vm.ts'
import { drainVm } from '../../vms/drain.ts'
import { type CloudStatus, cloudsFor } from '../../vms/list-clouds.ts'
import { endedVms, liveVms } from '../../vms/list-vms.ts'
import { vmHistory } from '../../vms/read-vm.ts'
import { asUser, type Edge } from './edge.ts'
import { taskQueueToWire, vmToWire } from './encode.ts'
import { imageHandlers } from './image-handlers.ts'
import { pageSize, reasonOf } from './job-handlers.ts'

export type OperateOptions = {
  readonly queue: JobPorts
  readonly images: Catalogue
  readonly tokens: Tokens
  readonly edge: Edge
  readonly version: string
  readonly startedMs: number
  /** What the directors last kept about their clouds. */
  readonly cloudStatus: () => Promise<CloudStatus>
}

export function operateHandlers({
  queue,
  images,
  tokens,
  edge,
  version,
  startedMs,
  cloudStatus,
}: OperateOptions): wire.OperateServiceServer {
  return {
    getStatus: edge.unary('getStatus', async (_: wire.GetStatusRequest, caller) => {
      const { jobs, vms } = statusFor(asUser(caller), await status(queue))
      return { jobs: [...jobs], vms: [...vms], serviceTimeMs: queue.clock.nowMs(), version, startedMs }
    }),
    listTaskQueues: edge.unary('listTaskQueues', async ({ pageSize: size }: wire.ListTaskQueuesRequest, caller) => {
      const { total, queues } = await listTaskQueues(queue, asUser(caller), pageSize(size))
      return { total, queues: queues.map(taskQueueToWire) }
    }),
    listVms: edge.unary('listVms', async ({ ended, pageSize: size }: wire.ListVmsRequest, caller) => {
      const live = (await liveVms(queue, asUser(caller))).map((kept) => vmToWire(vmView(kept.vm, kept)))
      const over = ended ? await endedVms(queue, asUser(caller), pageSize(size)) : []
      return { vms: [...live, ...over.map((vm) => vmToWire(vmView(vm)))].sort((a, b) => b.intendedMs - a.intendedMs) }
    }),
    getVmHistory: edge.unary('getVmHistory', async ({ vmId }: wire.GetVmHistoryRequest, caller) => {
      return { facts: (await vmHistory(queue, asUser(caller), vmIdOf(vmId))).map(factToWire) }
    }),
    listClouds: edge.unary('listClouds', async (_: wire.ListCloudsRequest, caller) => {
      const { clouds, plan } = cloudsFor(asUser(caller), await cloudStatus())
      return {
        clouds: clouds.map(({ breakers, ...cloud }) => ({ ...cloud, breaker: breakersText({ breakers }) })),
        plan: plan.map(({ action, why, ...row }) => ({ ...row, action: actionText({ action, why }) })),
      }
    }),
    drainVm: edge.unary('drainVm', async ({ vmId, reason }: wire.DrainVmRequest, caller) => {
      const drained = await drainVm(queue, asUser(caller), { vmId: vmIdOf(vmId), reason: reasonOf(reason) })
      if (!drained.ok) return { changed: false, state: '', refusal: drained.why }
      return { changed: drained.changed, state: drained.state, refusal: '' }
    }),
    createToken: edge.unary('createToken', (request: wire.CreateTokenRequest) =>
      createToken({ tokens, clock: queue.clock }, request),
    ),
    ...imageHandlers(images, edge),
  }
}

function vmIdOf(id: string): VmId {
  if (isVmId(id)) return id
  throw new PilotageError('invalid-argument', `no VM id: ${shown(id)}`)
}
