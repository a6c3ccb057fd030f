/** The home of files and outputs, opened as the configuration names it; what the store's own home is, its opener says. */

import type { Clock } from '../../core/kernel/clock.ts'
import type { Blobs } from '../../core/ports/blobs.ts'
import type { Sandbox } from '../../core/ports/sandbox.ts'
import { openS3 } from '../adapters/sandbox/s3/session.ts'
import { s3Blobs, s3Sandbox } from '../adapters/sandbox/s3/s3-sandbox.ts'
import type { SandboxConfig } from '../config/sandbox.ts'
import type { SecretReader } from './secrets.ts'

/** What stands in the files that the configuration names. */
export type SandboxSecrets = {
  readonly caPem?: string
  readonly keys?: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }
}

export function readSandboxSecrets(config: SandboxConfig, reader: SecretReader): SandboxSecrets {
  if (config.kind !== 's3') return {}
  const { caFile, keys } = config.s3
  const secret = (key: 'accessKeyId' | 'secretAccessKey' | 'sessionToken'): string | undefined => {
    const source = keys?.[key]
    return source && reader.secret(`sandbox.s3.${key}`, source)
  }
  const caPem = caFile === undefined ? undefined : reader.certificate('sandbox.s3.caFile', caFile)
  if (!keys) return { caPem }
  const [accessKeyId = '', secretAccessKey = ''] = [secret('accessKeyId'), secret('secretAccessKey')]
  return { caPem, keys: { accessKeyId, secretAccessKey, sessionToken: secret('sessionToken') } }
}

export type SandboxHome = { readonly sandbox: Sandbox; readonly blobs: Blobs }

/** `own`: of the store, where the configuration names no bucket. */
export async function openSandboxHome(
  config: SandboxConfig,
  secrets: SandboxSecrets,
  clock: Clock,
  own: () => SandboxHome,
): Promise<SandboxHome> {
  if (config.kind !== 's3') return own()
  const { caFile: _, keys: __, ...bucket } = config.s3
  const session = await openS3({ ...bucket, ...secrets, clock })
  return { sandbox: s3Sandbox(session), blobs: s3Blobs(session) }
}
