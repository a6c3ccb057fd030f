/** The methods of OperateService: what operators look at and steer, and the administrator's tokens. */

import { PilotageError, shown, type Violation } from '../../../core/kernel/errors.ts'
import { type UserRole, userRoles } from '../../../core/model/owner.ts'
import { isVmId } from '../../../core/kernel/ids.ts'
import { isName } from '../../../core/kernel/text.ts'
import { tokenMaxMs, tokenMs } from '../../../core/kernel/limits.ts'
import { type KeptVm, concerns, refOf, type Vm } from '../../../core/model/vm.ts'
import type { Tokens } from '../../../core/ports/tokens.ts'
import { durationText } from '../../../core/kernel/quantities.ts'
import { factToWire, requirementsToWire } from '../../../proto/codec/messages.ts'
import type * as wire from '../../../proto/gen/pilotage/v1/operate.ts'
import { type CloudStatus, planFor } from '../../director/status.ts'
import type { Catalogue } from '../../images/catalogue.ts'
import { status } from '../../jobs/status.ts'
import { taskQueues } from '../../jobs/task-queues.ts'
import type { JobPorts } from '../../jobs/ports.ts'
import type { Caller } from './admission.ts'
import { type Edge, userOf } from './edge.ts'
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
      const { jobs, vms } = await status(queue, visibleVo(caller))
      return { jobs: [...jobs], vms: [...vms], serviceTimeMs: queue.clock.nowMs(), version, startedMs }
    }),
    listTaskQueues: edge.unary('listTaskQueues', async ({ pageSize: size }: wire.ListTaskQueuesRequest, caller) => {
      const { total, queues } = await taskQueues(queue, visibleVo(caller), pageSize(size))
      return {
        total,
        queues: queues.map(({ queue: { id, vo, group, owner, requirements }, ...count }) => ({
          ...count,
          taskQueue: id,
          vo,
          group,
          owner,
          requirements: requirementsToWire(requirements),
        })),
      }
    }),
    listVms: edge.unary('listVms', async ({ ended, pageSize: size }: wire.ListVmsRequest, caller) => {
      const isSeen = seenBy(caller)
      const live = (await queue.store.liveVms()).filter(({ vm }) => isSeen(vm)).map((kept) => vmToWire(kept.vm, kept))
      const over = ended ? (await queue.store.endedVms(pageSize(size))).filter(isSeen).map((vm) => vmToWire(vm)) : []
      return { vms: [...live, ...over].sort((a, b) => b.intendedMs - a.intendedMs) }
    }),
    getVmHistory: edge.unary('getVmHistory', async ({ vmId }: wire.GetVmHistoryRequest, caller) => {
      if (!isVmId(vmId)) throw new PilotageError('invalid-argument', `no VM id: ${shown(vmId)}`)
      // The end of its console stands in its story. A VM that the caller does not see is as unknown as one that is not there.
      const kept = caller.reach === 'any' ? undefined : await queue.store.vm(vmId)
      if (caller.reach !== 'any' && !(kept && seenBy(caller)(kept.vm))) throw new PilotageError('not-found', `no VM ${vmId}`)
      return { facts: (await queue.store.history(`vm:${vmId}`, 1000)).map(factToWire) }
    }),
    listClouds: edge.unary('listClouds', async (_: wire.ListCloudsRequest, caller) => {
      const { clouds, plan } = await cloudStatus()
      return { clouds: [...clouds], plan: [...planFor(plan, visibleVo(caller))] }
    }),
    drainVm: edge.unary('drainVm', (request: wire.DrainVmRequest, caller) => drainVm(queue, request, caller)),
    createToken: edge.unary('createToken', (request: wire.CreateTokenRequest) => createToken(queue, tokens, request)),
    ...imageHandlers(images, edge),
  }
}

/** undefined: every VO. */
function visibleVo(caller: Caller): string | undefined {
  return caller.reach === 'any' ? undefined : userOf(caller).owner.vo
}

function seenBy(caller: Caller): (vm: Vm) => boolean {
  const vo = visibleVo(caller)
  return (vm) => vo === undefined || concerns(vm, vo)
}

async function drainVm(
  queue: JobPorts,
  { vmId, reason }: wire.DrainVmRequest,
  caller: Caller,
): Promise<wire.DrainVmResponse> {
  if (!isVmId(vmId)) throw new PilotageError('invalid-argument', `no VM id: ${shown(vmId)}`)
  const why = `drained by ${userOf(caller).owner.owner}${reason === '' ? '' : `: ${reasonOf(reason)}`}`
  const [outcome] = await queue.store.changeVms([{ kind: 'drain', vmId, why }], queue.clock.nowMs())
  queue.bus.hint({ kind: 'vms', ids: [vmId] })
  if (!outcome?.ok) return { changed: false, state: '', refusal: outcome?.why ?? 'not-found' }
  return { changed: outcome.was !== outcome.vm.phase.state, state: outcome.vm.phase.state, refusal: '' }
}

async function createToken(
  queue: JobPorts,
  tokens: Tokens,
  request: wire.CreateTokenRequest,
): Promise<wire.CreateTokenResponse> {
  const violations: Violation[] = []
  const wrong = (path: string, value: unknown, rule: string, accepted: string): void => {
    violations.push({ path, value: shown(value), rule, accepted })
  }
  for (const path of ['subject', 'vo', 'group'] as const) {
    if (!isName(request[path])) wrong(path, request[path], 'not a name', 'letters, digits and . _ : / + -')
  }
  const roles = request.roles.length === 0 ? ['user'] : request.roles
  roles.forEach((role, at) => {
    if (!userRoles.includes(role as UserRole)) wrong(`roles[${at}]`, role, 'not a role', userRoles.join(', '))
  })
  const lifetimeMs = request.lifetimeMs === 0 ? tokenMs : request.lifetimeMs
  if (lifetimeMs > tokenMaxMs) wrong('lifetimeMs', lifetimeMs, 'too long', `at most ${durationText(tokenMaxMs)}`)
  if (violations.length > 0) throw new PilotageError('invalid-argument', 'no token was issued', { violations })
  const expiresMs = queue.clock.nowMs() + lifetimeMs
  const owner = { vo: request.vo, group: request.group, owner: request.subject }
  return { token: await tokens.issue({ kind: 'user', owner, roles: roles as UserRole[] }, expiresMs), expiresMs }
}

function vmToWire(vm: Vm, kept?: KeptVm): wire.Vm {
  const { phase } = vm
  const over = phase.state === 'Gone' || phase.state === 'Failed' || phase.state === 'Lost'
  return {
    vmId: vm.id,
    state: phase.state,
    cloud: vm.cloud,
    site: vm.site,
    flavor: vm.flavor,
    image: vm.image,
    ref: refOf(phase),
    cores: vm.cores,
    memoryBytes: vm.memoryBytes,
    leases: kept?.leases ?? 0,
    reason: 'why' in phase ? phase.why : vm.reason,
    intendedMs: vm.intendedMs,
    activatedMs: 'activeMs' in phase ? (phase.activeMs ?? 0) : 0,
    endedMs: over ? vm.changedMs : 0,
    beatMs: vm.beat?.atMs ?? 0,
    load1: vm.beat?.load1 ?? 0,
    service: vm.service ?? '',
    addresses: [...(vm.addresses ?? [])],
    isolation: vm.beat?.isolation ?? '',
  }
}
