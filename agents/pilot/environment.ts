/**
 * The environment variables of a payload: its job's own variables over a small clean base, and never the agent's.
 *
 * The PILOTAGE_ names are ours and win over the job's, because the pilot finds a payload's lost children by PILOTAGE_DIR,
 * and the local cloud a lost pilot's payloads by PILOTAGE_VM_ID.
 */

import { join } from 'node:path'
import type { VmId } from '../../core/kernel/ids.ts'
import { gpuVariables } from './gpus.ts'
import type { Task } from './held.ts'
import { limitsOf } from './limits.ts'

const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export function payloadEnvironment(task: Task, dir: string, vmId: VmId, gpus?: readonly number[]): Record<string, string> {
  return {
    PATH: searchPath,
    HOME: join(dir, 'home'),
    TMPDIR: join(dir, 'tmp'),
    LANG: 'C.UTF-8',
    // Libraries that would take every core of the machine take what was granted.
    OMP_NUM_THREADS: String(task.cores),
    ...task.spec.environment,
    PILOTAGE_VM_ID: vmId,
    PILOTAGE_DIR: dir,
    PILOTAGE_JOB_ID: String(task.jobId),
    PILOTAGE_ATTEMPT: String(task.attempt),
    PILOTAGE_CORES: String(task.cores),
    PILOTAGE_MEMORY_BYTES: String(limitsOf(task).memoryBytes),
    ...gpuVariables(gpus),
  }
}

/**
 * What the steps before a payload get: nothing of the job. The local cloud finds a lost pilot's processes by the VM's id.
 */
export function stepEnvironment(vmId: VmId): Record<string, string> {
  return { PATH: searchPath, LC_ALL: 'C', PILOTAGE_VM_ID: vmId }
}
