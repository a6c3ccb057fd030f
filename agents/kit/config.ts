/**
 * The context file that contextualization wrote for this VM. An agent checks all of it before it starts.
 *
 * An error names every wrong field by its path. The file holds the activation key, so an error never shows a value.
 */

import { readFileSync } from 'node:fs'
import { agentPaths, type AgentConfig, isolationChoices } from '../../core/model/agent-config.ts'
import { endpointsForm, isLoopback, parseEndpoints } from '../../core/kernel/endpoints.ts'
import { PilotageError, type Violation } from '../../core/kernel/errors.ts'
import { isVmId } from '../../core/kernel/ids.ts'
import { requirementFields } from '../../core/language/fields.ts'
import { amounts } from '../../core/model/resources.ts'

/** Where the agents of one VM find each other. `root` is empty on a real machine. */
export type AgentPaths = { readonly [name in keyof typeof agentPaths]: string } & { readonly nonce: string }

export function pathsUnder(root: string): AgentPaths {
  return {
    config: root + agentPaths.config,
    credential: root + agentPaths.credential,
    nonce: `${root}${agentPaths.credential}.nonce`,
    pilotStatus: root + agentPaths.pilotStatus,
    work: root + agentPaths.work,
  }
}

/** A rendered context is a few kilobytes, most of it a certificate. */
const configBytes = 256 * 1024

export function readConfig(path: string): AgentConfig {
  const text = readFileSync(path, 'utf8')
  if (text.length > configBytes) throw new PilotageError('too-large', `the context of ${path} is over 256 KiB`)
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch {
    // The parser's own message may quote the file, and the file holds a secret.
    throw new PilotageError('invalid-argument', `the context of ${path} is not JSON`)
  }
  return checkConfig(raw)
}

export function checkConfig(raw: unknown): AgentConfig {
  const violations: Violation[] = []
  const at = (path: string): unknown =>
    path.split('.').reduce<unknown>((value, name) => (isRecord(value) ? value[name] : undefined), raw)
  const check = (path: string, holds: (value: unknown) => boolean, accepted: string): void => {
    if (!holds(at(path))) violations.push({ path, value: typeof at(path), rule: 'context', accepted })
  }
  check('vmId', (value) => typeof value === 'string' && isVmId(value), 'a VM id')
  check('endpoint', (value) => isText(value) && parseEndpoints(value) !== undefined, endpointsForm)
  check('activationKey', isText, 'a text')
  for (const name of ['cloud', 'site', 'platform']) check(name, (value) => typeof value === 'string', 'a text')
  check('size.cores', isPositive, 'a positive number')
  for (const name of amounts) {
    if (requirementFields[name].offered.min > 0) check(`size.${name}`, isPositive, 'a positive number')
    else check(`size.${name}`, isCount, 'a number from 0')
  }
  check('size.gpus', (value) => value === undefined || isCount(value), 'a number from 0, or nothing')
  check('traits', (value) => value === undefined || isRecord(value), 'a mapping, or nothing')
  check('sizeFrom', (value) => value === 'machine' || value === 'context', 'machine or context')
  for (const name of ['idleMs', 'leastLifeMs', 'endByMs', 'deadManMs', 'leastDiskFreeBytes']) {
    check(`policy.${name}`, isCount, 'a number from 0')
  }
  check('powerOff', (value) => Array.isArray(value) && value.every((part) => typeof part === 'string'), 'a list of texts')
  if (at('payloadAccounts') !== undefined) {
    for (const name of ['firstUid', 'count']) check(`payloadAccounts.${name}`, isPositive, 'a positive number')
  }
  if (at('isolation') !== undefined) {
    check('isolation.choice', (value) => isolationChoices.some((one) => one === value), isolationChoices.join(', '))
    for (const name of ['binds', 'hidden']) check(`isolation.${name}`, isPathList, 'a list of absolute paths')
  }
  if (at('service') !== undefined) {
    check('service.kind', (value) => value === 'squid', 'squid')
    check('service.port', isPort, 'a port')
  }
  if (at('interruption') !== undefined) {
    check('interruption.kind', (value) => value === 'ec2', 'ec2')
    check('interruption.metadataUrl', (value) => isText(value) && URL.canParse(value), 'an address')
  }
  check('caPem', (value) => value === undefined || isText(value), 'a certificate, or nothing')
  check('plaintext', (value) => value === undefined || typeof value === 'boolean', 'true, or nothing')
  const endpoint = at('endpoint')
  if (isText(endpoint) && at('caPem') === undefined && at('plaintext') !== true && !staysHere(endpoint)) {
    violations.push({ path: 'caPem', value: 'undefined', rule: 'plain', accepted: 'a certificate, unless on loopback' })
  }
  if (violations.length > 0) {
    const wrong = violations.map(({ path, accepted }) => `${path}: wanted ${accepted}`).join('; ')
    throw new PilotageError('invalid-argument', `the context is wrong: ${wrong}`, { violations })
  }
  return raw as AgentConfig
}

function staysHere(endpoint: string): boolean {
  return parseEndpoints(endpoint)?.every(isLoopback) ?? false
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function isPathList(value: unknown): boolean {
  return Array.isArray(value) && value.every((part) => typeof part === 'string' && part.startsWith('/'))
}

function isPort(value: unknown): boolean {
  return isPositive(value) && Number.isInteger(value) && Number(value) <= 65_535
}

function isPositive(value: unknown): boolean {
  return isCount(value) && value !== 0
}
