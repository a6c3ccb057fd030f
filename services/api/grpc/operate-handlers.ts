/** The methods of OperateService: what operators look at and steer, and the administrator's tokens. */

import { PilotageError, shown } from '../../../core/kernel/errors.ts'
import { isVmId, type VmId } from '../../../core/kernel/ids.ts'
import type { FactStore, VmStore } from '../../../core/ports/store.ts'
import type { Tokens } from '../../../core/ports/tokens.ts'
import { factToWire } from '../../../proto/codec/facts.ts'
import {
  cloudToWire,
  drainedToWire,
  planLineToWire,
  queueToWire,
  statusToWire,
  tokenRequestOfWire,
  tokenToWire,
  vmToWire,
} from '../../../proto/codec/operate.ts'
import { pageOf, pageSize, pageStart, pageToken } from '../../../proto/codec/page-tokens.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/operate.ts'
import { createToken } from '../../access/create-token.ts'
import type { SharePorts } from '../../accounting/list-shares.ts'
import type { Catalogue } from '../../images/catalogue.ts'
import { status, statusFor, type StatusPorts } from '../../jobs/status.ts'
import { listTaskQueues, type TaskQueuePorts } from '../../jobs/task-queues.ts'
import { cloudsView } from '../../views/cloud.ts'
import { waitsForText } from '../../views/task-queue.ts'
import { vmView } from '../../views/vm.ts'
import { type DrainPorts, drainVm } from '../../vms/drain.ts'
import { type CloudStatus, cloudsFor } from '../../vms/list-clouds.ts'
import { endedVms, liveVms } from '../../vms/list-vms.ts'
import { vmHistory } from '../../vms/read-vm.ts'
import { asUser, type Edge } from './edge.ts'
import { imageHandlers } from './image-handlers.ts'
import { reasonOf } from './reason.ts'
import { shareHandlers } from './share-handlers.ts'

type VmOperatePorts = DrainPorts & {
  readonly store: Pick<VmStore, 'vm' | 'liveVms' | 'endedVms'> & Pick<FactStore, 'history' | 'note' | 'changeNote'>
}

export type OperateOptions = {
  readonly ports: StatusPorts & TaskQueuePorts & VmOperatePorts
  readonly images: Catalogue
  /** Of the share tree. */
  readonly shares: Pick<SharePorts, 'ledger' | 'weights' | 'halfLifeMs'>
  readonly tokens: Tokens
  readonly edge: Edge
  readonly version: string
  readonly startedMs: number
  /** What the directors last kept about their clouds. */
  readonly cloudStatus: () => Promise<CloudStatus>
}

export function operateHandlers({
  ports,
  images,
  shares,
  tokens,
  edge,
  version,
  startedMs,
  cloudStatus,
}: OperateOptions): wire.OperateServiceServer {
  return {
    getStatus: edge.unary('getStatus', async (_: wire.GetStatusRequest, caller) => {
      const { jobs, vms } = statusFor(asUser(caller), await status(ports))
      return statusToWire({ jobs, vms, serviceTimeMs: ports.clock.nowMs(), version, startedMs })
    }),
    listTaskQueues: edge.unary('listTaskQueues', async (request: wire.ListTaskQueuesRequest, caller) => {
      const from = pageStart('queues', request.pageToken)
      const end = from + pageSize(request.pageSize)
      const { total, queues } = await listTaskQueues(ports, asUser(caller), end, from)
      const nextPageToken = pageToken('queues', end < total ? end : undefined)
      const rows = queues.map(({ waitsFor, ...one }) => queueToWire({ ...one, waitsFor: waitsForText(waitsFor) }))
      return { total, queues: rows, nextPageToken }
    }),
    listVms: edge.unary('listVms', async (request: wire.ListVmsRequest, caller) => {
      const maxVms = pageStart('vms', request.pageToken) + pageSize(request.pageSize) + 1
      const live = (await liveVms(ports, asUser(caller))).map((kept) => vmView(kept.vm, kept))
      const ended = request.ended ? await endedVms(ports, asUser(caller), maxVms) : []
      const all = [...live, ...ended.map((vm) => vmView(vm))].sort((a, b) => b.intendedMs - a.intendedMs)
      const { items, nextPageToken } = pageOf('vms', all, request)
      return { vms: items.map(vmToWire), nextPageToken }
    }),
    getVmHistory: edge.unary('getVmHistory', async ({ vmId }: wire.GetVmHistoryRequest, caller) => {
      return { facts: (await vmHistory(ports, asUser(caller), vmIdOf(vmId))).map(factToWire) }
    }),
    listClouds: edge.unary('listClouds', async (request: wire.ListCloudsRequest, caller) => {
      const { clouds, plan } = cloudsView(cloudsFor(asUser(caller), await cloudStatus()))
      const { items, isFirst, nextPageToken } = pageOf('clouds', clouds, request)
      return { clouds: items.map(cloudToWire), plan: isFirst ? plan.map(planLineToWire) : [], nextPageToken }
    }),
    drainVm: edge.unary('drainVm', async ({ vmId, reason }: wire.DrainVmRequest, caller) =>
      drainedToWire(await drainVm(ports, asUser(caller), { vmId: vmIdOf(vmId), reason: reasonOf(reason) })),
    ),
    createToken: edge.unary('createToken', async (request: wire.CreateTokenRequest) =>
      tokenToWire(await createToken({ tokens, clock: ports.clock }, tokenRequestOfWire(request))),
    ),
    ...imageHandlers(images, edge),
    ...shareHandlers({ ...ports, ...shares }, edge),
  }
}

function vmIdOf(id: string): VmId {
  if (isVmId(id)) return id
  throw new PilotageError('invalid-argument', `no VM id: ${shown(id)}`, {
    violations: [{ path: 'vm_id', value: shown(id), rule: 'not a VM id', accepted: 'vm- and ten letters or digits' }],
  })
}
