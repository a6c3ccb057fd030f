/**
 * The way to NATS that a configuration names, with the secrets of its files. What stands in them goes to the connection and
 * nowhere else.
 */

import type { NatsCredentials, NatsOptions } from '../adapters/bus/nats/nats-link.ts'
import type { NatsConfig } from '../config/network.ts'
import type { SecretReader } from './secrets.ts'

export type NatsAccess = Pick<NatsOptions, 'servers' | 'credentials' | 'caPem'>

/** The reader refuses what is wrong with a file. */
export function readNatsAccess({ servers, caFile, credentials }: NatsConfig, reader: SecretReader): NatsAccess {
  return {
    servers,
    caPem: caFile === undefined ? undefined : reader.certificate('nats.caFile', caFile),
    credentials: credentials && readCredentials(credentials, reader),
  }
}

function readCredentials(credentials: NonNullable<NatsConfig['credentials']>, reader: SecretReader): NatsCredentials {
  switch (credentials.kind) {
    case 'creds':
      return { kind: 'creds', text: reader.text('nats.credsFile', credentials.file) }
    case 'token':
      return { kind: 'token', token: reader.line('nats.tokenFile', credentials.file) }
    case 'password':
      return {
        kind: 'password',
        user: credentials.user,
        password: reader.line('nats.passwordFile', credentials.file),
      }
  }
}
