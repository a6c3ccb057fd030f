/**
 * What OpenNebula's failures mean to us: the one mapping. Codes are few and coarse there, so that messages decide: a full
 * quota has the code of a missing permission, and no room for an address that of a mistake in the order.
 *
 * OpenNebula reports a failure only after it has undone everything: nothing was made. An order that it could not allocate
 * is a wrong order, unless the message names a quota, missing room or its database: a wrong order taken for a failing cloud
 * would keep every other order waiting. Of internal errors only a known reason may call an order hopeless.
 */

import { type ErrorCode, PilotageError } from '../../../../core/kernel/errors.ts'
import type { WaitFailure } from '../../../../core/model/proof.ts'
import type { Failure } from './rpc.ts'

/** What was asked: to make a VM, something about one VM, or something about all. */
export type Asking = 'create' | 'vm' | 'all'

export const errorNumbers = {
  authentication: 0x0100,
  authorization: 0x0200,
  noExists: 0x0400,
  action: 0x0800,
  xmlRpcApi: 0x1000,
  internal: 0x2000,
  allocate: 0x4000,
  locked: 0x8000,
  replication: 0x10000,
} as const

const quotaWords = /\blimit of .* reached for .* quota\b/i
/** Addresses, and room in a datastore. No host with room is no error there: the VM waits and says why. */
const capacityWords =
  /cannot get ip\/mac lease|no (?:more )?(?:free )?(?:addresses|leases)|not enough (?:space|capacity|free)/i
const hopelessWords =
  /parse error|syntax error|\battribute\b|does not exist|does not own|\binvalid\b|not supported|\bdisabled\b|incompatible|must be|cannot acquire image|is less than the image|needs to match|not found for/i
/** The quota of one image: other images can be ordered. */
const imageQuotaWords = /\bquota in image\b/i
/** Of the daemon, not of the order: `Error inserting VM in DB.` */
const daemonWords = /\bdatabase\b|\bin (?:the )?db\b|\bsql\b|to xml\b|time(?:d )?out|try again/i

/** Of the schedulers: mm_sched of version 6, which grew its `Cannot dispatch VM: ` on the way, and those of 7. */
const noRoomWords = new RegExp(
  [
    'no hosts? (?:with|meets|enabled)|no existing hosts|not enough (?:cpu|memory|capacity)|requirements not met',
    'cannot allocate numa|unavailable (?:pci|datastores|vnets|leases)|affinity constraints|not authorized to use any',
    'no system datastores?|no existing (?:datastores|vnets)|no datastores matched|unmonitored datastores|cannot satisfy all',
  ].join('|'),
  'i',
)

/**
 * Why a VM waits, by what the scheduler says of it. Where it says nothing, or that the VM's turn has not come, the cloud
 * does not get on: nothing is known against the flavor.
 */
export function waitFailure(words: string): WaitFailure {
  if (/\bquota\b/i.test(words)) return 'quota'
  return noRoomWords.test(words) ? 'capacity' : 'transient'
}

export function isQuota({ kind, message }: Failure): boolean {
  return kind === 'error' && quotaWords.test(message)
}

/** The action does not fit the VM's state now: it may later. */
export function isWrongState(failure: Failure): boolean {
  return failure.kind === 'error' && failure.code === errorNumbers.action && !isQuota(failure)
}

export function isUnknownThing({ kind, code }: Failure): boolean {
  return kind === 'error' && code === errorNumbers.noExists
}

export function errorFor(failure: Failure, doing: string, asking: Asking): PilotageError {
  const words = failure.message.replaceAll(/\s+/g, ' ').slice(0, 300)
  const origin = failure.kind === 'http' ? `HTTP ${failure.code}` : `${failure.kind} ${failure.code}`
  return new PilotageError(codeFor(failure, asking), `${doing}: ${words} (${origin})`)
}

function codeFor(failure: Failure, asking: Asking): ErrorCode {
  switch (failure.kind) {
    case 'http':
      return httpCode(failure.code)
    case 'fault':
      // It is no call that this server knows: another version, or something that is no OpenNebula.
      return 'cloud-refused'
    default:
      if (!isQuota(failure)) return numberCode(failure, asking)
      return asking === 'create' && imageQuotaWords.test(failure.message) ? 'cloud-refused' : 'cloud-quota'
  }
}

function numberCode({ code, message }: Failure, asking: Asking): ErrorCode {
  switch (code) {
    case errorNumbers.authentication:
      return 'cloud-auth'
    case errorNumbers.authorization:
      // Of one thing: the order is wrong, or the VM another's. Of all: the account may not ask.
      return asking === 'all' ? 'cloud-auth' : 'cloud-refused'
    case errorNumbers.noExists:
      return asking === 'vm' ? 'cloud-gone' : 'cloud-refused'
    case errorNumbers.xmlRpcApi:
    case errorNumbers.locked:
      return 'cloud-refused'
    case errorNumbers.action:
    case errorNumbers.internal:
      if (capacityWords.test(message)) return 'cloud-capacity'
      return asking === 'create' && hopelessWords.test(message) ? 'cloud-refused' : 'cloud-transient'
    case errorNumbers.allocate:
      if (capacityWords.test(message)) return 'cloud-capacity'
      return asking === 'create' && !daemonWords.test(message) ? 'cloud-refused' : 'cloud-transient'
    default:
      return 'cloud-transient'
  }
}

function httpCode(status: number): ErrorCode {
  if (status === 401 || status === 403 || status === 407) return 'cloud-auth'
  const isPassing = status < 400 || status === 408 || status === 425 || status === 429 || status >= 500
  return isPassing ? 'cloud-transient' : 'cloud-refused'
}
