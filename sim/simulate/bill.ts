/**
 * What a VM cost and what it was used for, in core-milliseconds. Exact: what is paid is what was used plus what was wasted,
 * by reason; `settled` checks it.
 *
 *   booting      from the create call until the VM took jobs
 *   never up     the same of a VM that never did
 *   idle         the VM ran nothing
 *   partly idle  cores without work beside cores with work
 *   draining     free cores of a VM that took no more jobs
 *   stopping     from the decision to end it until its cloud showed that it was gone
 *   crashed      from a crash until it was gone
 *   lost work    of attempts whose machine ended before them
 */

export const wasteReasons = [
  'booting',
  'never up',
  'idle',
  'partly idle',
  'draining',
  'stopping',
  'crashed',
  'lost work',
] as const
export type WasteReason = (typeof wasteReasons)[number]

/** All in core-milliseconds but the money. */
export type Bill = {
  vms: number
  paid: number
  used: number
  readonly wasted: Record<WasteReason, number>
  money: number
}

export function newBill(): Bill {
  const wasted = Object.fromEntries(wasteReasons.map((reason) => [reason, 0])) as Record<WasteReason, number>
  return { vms: 0, paid: 0, used: 0, wasted, money: 0 }
}

export function addBill(sum: Bill, one: Bill): void {
  sum.vms += one.vms
  sum.paid += one.paid
  sum.used += one.used
  sum.money += one.money
  for (const reason of wasteReasons) sum.wasted[reason] += one.wasted[reason]
}

export function wastedOf({ wasted }: Pick<Bill, 'wasted'>): number {
  return wasteReasons.reduce((sum, reason) => sum + wasted[reason], 0)
}

/** Throws where not every core-millisecond has its place. */
export function settled(bill: Bill): Bill {
  const placed = bill.used + wastedOf(bill)
  if (placed !== bill.paid) throw new Error(`assertion failed: ${bill.paid} core-ms are paid and ${placed} accounted for`)
  return bill
}

/** Whole units are paid. */
export function moneyOf(pricePerHour: number, paidMs: number, billingUnitMs: number): number {
  const billedMs = Math.ceil(paidMs / billingUnitMs) * billingUnitMs
  return (pricePerHour * billedMs) / 3_600_000
}
