/**
 * Reads the facts of an installation from its stream in NATS: finds the servers, the credentials and the installation's name
 * where the options or the service's configuration name them. It needs NATS and no service, so that history can be read
 * while the service is down. What is written where, and what is acknowledged when, is the caller's choice.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../core/kernel/clock.ts'
import { PilotageError } from '../../core/kernel/errors.ts'
import type { Random } from '../../core/kernel/random.ts'
import { gatherViolations } from '../../core/kernel/violations.ts'
import type { Fact } from '../../core/model/fact-shapes.ts'
import type { Log } from '../../core/ports/log.ts'
import { readFacts } from '../adapters/bus/nats/fact-reader.ts'
import { readConfigFile } from './configuration.ts'
import { plainNats } from '../config/plaintext.ts'
import { type NatsAccess, readNatsAccess } from './nats-access.ts'
import { readSecrets } from './secrets.ts'

export type FactsOptions = {
  /** NATS by its addresses, or as a configuration file of the service names it. */
  readonly nats: { readonly servers: readonly string[]; readonly plaintext: boolean } | { readonly configFile: string }
  /** The installation's name, or the data directory that has it. */
  readonly installation: { readonly name: string } | { readonly dataDir: string }
  /** NATS remembers what the reader of this name acknowledged. */
  readonly durable?: string
  /** Where a new reader begins. */
  readonly from: 'beginning' | 'now'
  /** Waits for more facts, and for an unreachable NATS, until `signal`. */
  readonly follow: boolean
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly signal: AbortSignal
}

export type ReadFact = {
  readonly fact: Fact
  /** Only a durable reader needs it: the fact is not delivered again. */
  acknowledge(): void
}

/** Throws `not-found` without an installation, `invalid-argument` for what can never work, `unavailable` without NATS. */
export function readInstallationFacts(options: FactsOptions): AsyncIterable<ReadFact> {
  const { nats, installation, ...reading } = options
  const name = 'name' in installation ? installation.name : nameIn(installation.dataDir)
  return readFacts({ ...reading, ...accessTo(nats), installation: name })
}

function accessTo(nats: FactsOptions['nats']): NatsAccess {
  if ('servers' in nats) {
    const { servers, plaintext } = nats
    const violations = gatherViolations()
    for (const server of plaintext ? [] : plainNats(servers, undefined)) {
      violations.add('--nats', server, 'not encrypted', 'an address of this machine; any with tls://, or with --plaintext')
    }
    violations.settle('reading the options')
    return { servers }
  }
  const config = readConfigFile(nats.configFile)
  if (!config.nats) throw new PilotageError('invalid-argument', `${nats.configFile} has no key nats`)
  const reader = readSecrets()
  const access = readNatsAccess(config.nats, reader)
  reader.settle()
  return access
}

function nameIn(dataDir: string): string {
  try {
    return readFileSync(join(dataDir, 'installation'), 'utf8').trim()
  } catch (cause) {
    throw new PilotageError('not-found', `no installation in ${dataDir}: give --installation or --data`, { cause })
  }
}
