/**
 * The rendered context as EC2 takes it: base64 of at most 16 KiB. What is larger goes compressed, which cloud-init sees by
 * itself; what is too large even then is refused here, since the cloud would say it less well.
 */

import { gzipSync } from 'node:zlib'
import type { UserDataLimit } from '../../../../core/model/cloud.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'

/** EC2's documentation: 16 KB before base64. A larger text is compressed. */
export const userDataLimit: UserDataLimit = { maxBytes: 16 * 1024, counted: 'packed' }
const { maxBytes } = userDataLimit

/** The same text gives the same bytes: a repeated order must be equal to the first. Throws `cloud-refused`. */
export function encodeUserData(text: string, doing: string): string {
  const plain = Buffer.from(text)
  if (plain.length <= maxBytes) return plain.toString('base64')
  const packed = gzipSync(plain, { level: 9 })
  if (packed.length <= maxBytes) return packed.toString('base64')
  const sizes = `${plain.length} bytes of user data, ${packed.length} compressed`
  throw new PilotageError('cloud-refused', `${doing}: ${sizes}: EC2 takes ${maxBytes}`)
}
