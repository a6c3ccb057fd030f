/**
 * The keys `context.ssh`: how the service logs in to VMs whose image has no cloud-init. A private key has no place in a
 * configuration: a key says where one lies.
 */

import { account, flag, mapping, needed, optional, placedBy, type Read, secretSource, whole } from './fields.ts'

export const delivery = mapping({
  user: optional(account, 'root'),
  privateKey: needed(secretSource),
  sudo: optional(flag, false),
  port: optional(whole(1, 65_535), 22),
})

type RawDelivery = Read<typeof delivery>
export type DeliveryConfig = Readonly<RawDelivery>

/** `placed`: where a file lies that is named. */
export function compileDelivery(raw: RawDelivery, placed: (file: string) => string): DeliveryConfig {
  return { ...raw, privateKey: placedBy(raw.privateKey, placed) }
}
