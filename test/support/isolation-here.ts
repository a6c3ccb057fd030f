/**
 * What a configuration must say of isolation so that a service and a pilot of this user start here: nothing where the
 * machine can isolate payloads, `plain` where it cannot (a container of root's without namespaces) and the tests are about
 * other things.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chooseIsolation } from '../../agents/pilot/isolation/choose.ts'
import type { IsolationConfig } from '../../core/model/agent-config.ts'

const workDir = mkdtempSync(join(tmpdir(), 'pilotage-isolation-here-'))

export const isolationHere: IsolationConfig['choice'] = await chooseIsolation({
  choice: 'auto',
  workDir,
  binds: [],
  hidden: [],
})
  .then(
    () => 'auto' as const,
    () => 'plain' as const,
  )
  .finally(() => rmSync(workDir, { recursive: true, force: true }))
