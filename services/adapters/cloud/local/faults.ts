/**
 * Switches that make this cloud behave as badly as real ones, for tests. A served installation has none set.
 *
 * They lie in the file `faults.json` of the cloud's directory and are read at every call, so that a scenario in another
 * process can set them too; the file away, or `{}` in it, is the cloud at its best.
 */

import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PilotageError, type ErrorCode } from '../../../../core/kernel/errors.ts'
import type { CloudQuota } from '../../../../core/model/cloud.ts'

export type CloudErrorCode = Extract<ErrorCode, `cloud-${string}`>

export type LocalFaults = {
  /** Every call fails with it: the cloud is down, or our credential is. */
  readonly allFail?: CloudErrorCode
  /** `create` fails with it, and nothing was made. */
  readonly createFails?: CloudErrorCode
  /** `create` makes the VM and then fails as `cloud-transient`: its answer was lost. */
  readonly createReplyLost?: boolean
  /** VMs made meanwhile are told as running, and nothing ever starts on them. */
  readonly neverBoots?: boolean
  /** A VM lives on for so long after the first `destroy`, which answers `going` meanwhile. */
  readonly deleteMs?: number
  /** Overrides the configured quota where given, with finite numbers. */
  readonly quota?: Partial<CloudQuota>
}

export function readFaults(directory: string): LocalFaults {
  let text: string
  try {
    text = readFileSync(fileOf(directory), 'utf8')
  } catch {
    return {}
  }
  return JSON.parse(text) as LocalFaults
}

/** Replaces all switches at once. */
export function setLocalFaults(directory: string, faults: LocalFaults): void {
  const draft = `${fileOf(directory)}.new`
  writeFileSync(draft, JSON.stringify(faults), { mode: 0o600 })
  renameSync(draft, fileOf(directory))
}

export function failIf(code: CloudErrorCode | undefined, doing: string): void {
  if (code !== undefined) throw new PilotageError(code, `${doing}: it was told to fail`)
}

function fileOf(directory: string): string {
  return join(directory, 'faults.json')
}
