/**
 * The way to MongoDB that a configuration names: an address, or the file that holds one with its account. What the file
 * holds is shown nowhere.
 */

import type { StoreConfig } from '../config/network.ts'
import { isMongoUrl, isPlainMongo, mongoForm, mongoTlsForm } from '../config/plaintext.ts'
import type { SecretReader } from './secrets.ts'

/** The reader keeps what is wrong with the file, an address that would be reached in plain included. */
export function mongoUrl(
  { url, urlFile = '', plaintext }: Extract<StoreConfig, { kind: 'mongo' }>,
  reader: SecretReader,
): string {
  if (url !== undefined) return url
  const read = reader.line('store.urlFile', urlFile, { accepted: mongoForm, holds: isMongoUrl })
  if (isMongoUrl(read) && !plaintext && isPlainMongo(read)) {
    return reader.line('store.urlFile', urlFile, { rule: 'not encrypted', accepted: mongoTlsForm, holds: () => false })
  }
  return read
}
