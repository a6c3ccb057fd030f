/**
 * Keeps a plain connection on this machine: a replica set names its members itself, and the driver goes wherever they are.
 *
 * An address of this machine is believed to be plain because nothing leaves it. As soon as a server names a member
 * elsewhere, the client is closed, before it has spoken to that member with an account: TLS, or the operator's word, is
 * needed first.
 */

import type { MongoClient } from 'mongodb'
import { isLoopback } from '../../../../core/kernel/endpoints.ts'
import { PilotageError } from '../../../../core/kernel/errors.ts'

/** Answers why the client was closed; undefined: it was not. */
export function keepOnThisMachine(client: MongoClient): () => PilotageError | undefined {
  let strayed: PilotageError | undefined
  client.on('serverDescriptionChanged', ({ newDescription: { hosts, passives, arbiters } }) => {
    const member = [...hosts, ...passives, ...arbiters].find((one) => !isLoopback(one))
    if (member === undefined || strayed) return
    strayed = new PilotageError('invalid-argument', 'the replica set has members beyond this machine', {
      violations: [
        {
          path: 'store.url',
          value: member,
          rule: 'not encrypted',
          accepted: 'tls=true in the address, or store.plaintext on a private network',
        },
      ],
    })
    void client.close().catch(() => undefined)
  })
  return () => strayed
}
