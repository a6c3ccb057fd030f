/**
 * The VMs of our account as one listing of the pool has them, and which of them are ours by their mark.
 *
 * The listing has short bodies, without marks. Each VM's whole body is therefore read once, many in a call and by their ids,
 * and its mark remembered as long as the VM is in the pool: marks are made with the VM and never change. A pool in pages by
 * position would lose VMs whenever another one ends between two pages; whole listings and ids do not. What has ended is left
 * out. Whole or an error, never a part.
 */

import type { Clock } from '../../../../core/kernel/clock.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import { isVmId, type VmId } from '../../../../core/kernel/ids.ts'
import type { Deadline } from '../kit/deadline.ts'
import { type Client, elementsOf } from './client.ts'
import { markNames } from './order.ts'
import { type State, stateOf, wantsReason } from './states.ts'
import { childOf, listOf, type Node, numberOf, textOf } from './xml.ts'

export type Machine = {
  readonly ref: string
  readonly vmId: VmId
  readonly state: State
  readonly createdMs: number
  /** What it counts against quotas. */
  readonly cpu: number
  readonly memoryMb: number
  /** Why it waits or failed, in the cloud's words; empty where it says nothing. */
  readonly reason: string
  /** In the order of its network cards; empty where it has none yet. */
  readonly addresses: readonly string[]
}

/** `foreign`: with the mark of another installation, or with none. */
type Mark = VmId | 'foreign'

export type Machines = {
  /** Ours, of a listing that began after the call. */
  look(deadline: Deadline): Promise<readonly Machine[]>
  /** By any reference, also one that stands for nothing: our VM as it is now, ended or not, or undefined. */
  one(ref: string, deadline: Deadline): Promise<{ readonly id: number; readonly state: State } | undefined>
}

/** A body with user data of 16 KiB is some 40 KB on its way. */
const bodiesPerCall = 100
const vmPool = { root: 'VM_POOL', name: 'VM' }

export function openMachines(client: Client, clock: Clock, installation: string): Machines {
  const marks = new Map<string, Mark>()
  const markOf = (body: Node): Mark => readMark(body, installation)

  async function bodies(ids: readonly string[], isWhole: boolean, deadline: Deadline): Promise<readonly Node[]> {
    const doing = 'reading VMs'
    const parameters = [ids.join(','), isWhole] as const
    const value = await client.value('one.vmpool.infoset', parameters, { doing, asking: 'all', deadline })
    return elementsOf(value, vmPool, clock, doing)
  }

  /** Whole bodies by id. One that is missing was in the pool a moment ago: nothing is known then. */
  async function wholeBodies(ids: readonly string[], deadline: Deadline): Promise<ReadonlyMap<string, Node>> {
    const found = new Map<string, Node>()
    for (let at = 0; at < ids.length; at += bodiesPerCall) {
      const some = ids.slice(at, at + bodiesPerCall)
      for (const body of await bodies(some, true, deadline)) {
        const ref = textOf(body, 'ID')
        found.set(ref, body)
        marks.set(ref, markOf(body))
      }
      const missing = some.find((ref) => !found.has(ref))
      if (missing !== undefined) throw new PilotageError('cloud-transient', `reading VMs: ${missing} was left out`)
    }
    return found
  }

  async function look(deadline: Deadline): Promise<readonly Machine[]> {
    const doing = 'listing VMs'
    // Of our account, all ids, and any state but DONE.
    const value = await client.value('one.vmpool.info', [-3, -1, -1, -1], { doing, asking: 'all', deadline })
    const listed = await elementsOf(value, vmPool, clock, doing)
    const pool = new Map(listed.map((body) => [textOf(body, 'ID'), body]))
    for (const ref of marks.keys()) if (!pool.has(ref)) marks.delete(ref)
    const whole = await wholeBodies(
      [...pool].flatMap(([ref, body]) => (isToRead(marks.get(ref), body) ? [ref] : [])),
      deadline,
    )
    return [...pool].flatMap(([ref, body]) => {
      const mark = marks.get(ref)
      if (mark === undefined || mark === 'foreign') return []
      const machine = machineOf(ref, mark, body, whole.get(ref))
      return machine.state.standing === 'done' ? [] : [machine]
    })
  }

  return {
    look,
    async one(ref, deadline) {
      // A list of ids that makes no sense finds nothing, as does an empty one; it is the cloud that says so.
      const ids = /^(?:0|[1-9]\d{0,9})$/.test(ref) && Number(ref) < 2 ** 31 ? [ref] : []
      const mark = marks.get(ref)
      const found = (await bodies(ids, ids.length > 0 && mark === undefined, deadline)).find(
        (body) => textOf(body, 'ID') === ref,
      )
      if (!found || (mark ?? markOf(found)) === 'foreign') return undefined
      return { id: Number(ref), state: stateIn(found) }
    },
  }
}

/** The newest reason counts: the short bodies of recent versions contain it. */
function isToRead(mark: Mark | undefined, body: Node): boolean {
  if (mark === undefined) return true
  return mark !== 'foreign' && wantsReason(stateIn(body)) && reasonIn(body) === ''
}

function readMark(body: Node, installation: string): Mark {
  const vmId = textOf(body, 'USER_TEMPLATE', markNames.vm)
  const isOurs = textOf(body, 'USER_TEMPLATE', markNames.installation) === installation
  return isOurs && isVmId(vmId) ? vmId : 'foreign'
}

function machineOf(ref: string, vmId: VmId, short: Node, whole: Node | undefined): Machine {
  const state = stateIn(whole ?? short)
  const createdMs = numberOf(short, 'STIME') * 1000
  const [cpu, memoryMb] = [numberOf(short, 'TEMPLATE', 'CPU'), numberOf(short, 'TEMPLATE', 'MEMORY')]
  if (!Number.isFinite(createdMs) || !Number.isFinite(cpu) || !Number.isFinite(memoryMb)) {
    throw new PilotageError('cloud-transient', `listing VMs: VM ${ref} cannot be read`)
  }
  const reason = wantsReason(state) ? reasonIn(whole ?? short) : ''
  return { ref, vmId, state, createdMs, cpu, memoryMb, reason, addresses: addressesIn(short) }
}

/** A card is kept as the text that it is: see the parser. What leads in from outside comes last. */
function addressesIn(body: Node): readonly string[] {
  const cards = listOf(childOf(body, 'TEMPLATE'), 'NIC').map((card) => (typeof card === 'string' ? card : ''))
  const named = (name: string): readonly string[] =>
    cards.flatMap((card) => new RegExp(`<${name}>(?:<!\\[CDATA\\[)?([0-9a-f.:]+)`, 'i').exec(card)?.[1] ?? [])
  return [...named('IP'), ...named('IP6_ULA'), ...named('IP6_GLOBAL'), ...named('IP6'), ...named('EXTERNAL_IP')]
}

function stateIn(body: Node): State {
  return stateOf(numberOf(body, 'STATE'), numberOf(body, 'LCM_STATE'))
}

const reasonLength = 500
/** `Sat Nov 21 00:16:58 2026: `, anew with each look of the scheduler: what it says stays the same. */
const momentWords = /^\w{3} \w{3} \d{1,2} \d{2}:\d{2}:\d{2} \d{4} ?: /

function reasonIn(body: Node): string {
  const said = textOf(body, 'USER_TEMPLATE', 'ERROR') || textOf(body, 'USER_TEMPLATE', 'SCHED_MESSAGE')
  return said.replaceAll(/\s+/g, ' ').trim().replace(momentWords, '').slice(0, reasonLength)
}
