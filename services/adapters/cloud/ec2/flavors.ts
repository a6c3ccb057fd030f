/**
 * A flavor of ours as EC2 sells it: an instance type, on demand or on the spot market with the most that may be paid.
 *
 * The reference is the type, or properties: `type`, `market` (`spot` or `on-demand`) and `maxPrice` (dollars an hour, of
 * spot only; absent: up to the price on demand). The way of buying belongs to the flavor, so that one cloud can offer both.
 */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { Reference } from '../../../../core/model/reference.ts'

export type Purchase = { readonly instanceType: string; readonly spot?: { readonly maxPrice?: string } }

/** Throws `cloud-refused`. The configuration was checked for the same: this is for who calls the driver otherwise. */
export function purchaseOf(flavor: string, reference: Reference | undefined, doing: string): Purchase {
  if (!reference) throw new PilotageError('cloud-refused', `${doing}: there is no flavor ${flavor}`)
  if (reference.by === 'id') return { instanceType: reference.id }
  if (reference.by === 'name') return { instanceType: reference.name }
  const { type, market = 'on-demand', maxPrice, ...others } = reference.properties
  if (type === undefined || Object.keys(others).length > 0 || !['spot', 'on-demand'].includes(market)) {
    throw new PilotageError(
      'cloud-refused',
      `${doing}: flavor ${flavor} is not type=..., market=spot|on-demand, maxPrice=...`,
    )
  }
  if (market === 'on-demand') return { instanceType: type }
  return { instanceType: type, spot: maxPrice === undefined ? {} : { maxPrice } }
}
