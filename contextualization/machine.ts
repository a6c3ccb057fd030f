/**
 * A machine's context as documents: one cloud-init document for every cloud that has cloud-init, and one plain script for
 * images that have none. Both carry the same files and run the same script.
 *
 * What stays true: equal input gives equal text, and the activation key stands once, in a file that only root and then only
 * the agents' account can read.
 */

import { parse, stringify } from 'yaml'
import { agentPaths } from '../core/model/agent-config.ts'
import { PilotageError } from '../core/kernel/errors.ts'
import { bootstrapScript } from './bootstrap.ts'
import { cvmfsFiles } from './cvmfs.ts'
import { cloudConfigType, documentBeginnings, multipart, typeOf } from './multipart.ts'
import type { ExtraFile, MachineContext, MachineOrder } from './order.ts'
import { followingFiles } from './proxies.ts'
import { lentLines, releaseFile } from './release.ts'
import { quoted, stableJson } from './shell.ts'
import { workerUnits } from './units.ts'

const bootstrapPath = '/usr/lib/pilotage/bootstrap'

export function machineContext(order: MachineOrder): MachineContext {
  const config: ExtraFile = {
    path: agentPaths.config,
    permissions: '0600',
    content: `${stableJson(order.config)}\n`,
  }
  const { payloadAccounts } = order.config
  return {
    files: [
      ...(order.isLent ? [releaseFile(payloadAccounts)] : []),
      config,
      ...workerUnits({ isLent: order.isLent, isMetadataOpen: order.config.interruption !== undefined }),
      ...cvmfsFiles(order),
      ...followingFiles(order),
      ...order.extras.files,
    ],
    script: bootstrapScript(order),
    before: order.isLent ? lentLines(payloadAccounts) : [],
  }
}

/**
 * `own`: the operator's document as text, of any kind that cloud-init knows. A cloud-config is merged, its lists first, ours
 * after them; any other comes before ours as a part of its own. Throws `invalid-argument` where it is none. Whether a cloud
 * takes so much is for size.ts.
 */
export function cloudConfig(context: MachineContext, own = ''): string {
  const type = typeOf(own)
  if (own.trim() === '' || type === cloudConfigType) return mergedConfig(context, own)
  if (type !== undefined) {
    return multipart([
      { type, text: own },
      { type: cloudConfigType, text: mergedConfig(context, '') },
    ])
  }
  throw new PilotageError(
    'invalid-argument',
    `the document to be merged begins like none that cloud-init knows: ${documentBeginnings.join(', ')}`,
  )
}

function mergedConfig({ files, script }: MachineContext, own: string): string {
  const theirs = ownDocument(own)
  const bootstrap: ExtraFile = { path: bootstrapPath, permissions: '0700', content: script }
  const document = {
    ...theirs,
    write_files: [
      ...listIn(theirs, 'write_files'),
      ...[...files, bootstrap].map(({ path, permissions, content }) => ({ path, owner: 'root:root', permissions, content })),
    ],
    runcmd: [...listIn(theirs, 'runcmd'), [bootstrapPath]],
  }
  // cloud-init reads YAML 1.1, where more words than in 1.2 mean something else unless quoted.
  return `#cloud-config\n${stringify(document, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false })}`
}

/** For a machine that is reached by SSH: everything in one script, run as root. */
export function plainScript({ files, script, before = [] }: MachineContext): string {
  const parts = [...files, { path: bootstrapPath, permissions: '0700', content: script }]
  return [
    '#!/bin/sh',
    'set -eu',
    'umask 077',
    ...before,
    ...parts.flatMap(({ path, permissions, content }) => [
      // Accounts that are not root pass through, to files that are theirs.
      `(umask 022; mkdir -p ${quoted(path.slice(0, path.lastIndexOf('/')))})`,
      `printf %s ${quoted(content)} >${quoted(path)}`,
      `chmod ${permissions} ${quoted(path)}`,
    ]),
    `exec ${bootstrapPath}`,
    '',
  ].join('\n')
}

function ownDocument(text: string): Readonly<Record<string, unknown>> {
  if (text.trim() === '') return {}
  const refuse = (why: string) => new PilotageError('invalid-argument', `the cloud-config to be merged: ${why}`)
  let value: unknown
  try {
    value = parse(text, { version: '1.1', maxAliasCount: 100 })
  } catch {
    throw refuse('it is not YAML')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse('it is no mapping')
  return value as Readonly<Record<string, unknown>>
}

function listIn(document: Readonly<Record<string, unknown>>, key: string): readonly unknown[] {
  const value = document[key] ?? []
  if (Array.isArray(value)) return value
  throw new PilotageError('invalid-argument', `the cloud-config to be merged: ${key} is no list`)
}
