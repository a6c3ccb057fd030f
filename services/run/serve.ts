/**
 * Runs the service as a process of its own: with the roles that it is given, a log on standard output, and an end in good
 * order at the caller's signal. A service whose store failed acknowledges nothing more and ends; a supervisor restarts it.
 */

import { resolve } from 'node:path'
import { asPilotageError, PilotageError } from '../../core/kernel/errors.ts'
import { processRoles } from '../../core/model/process-role.ts'
import { pinoLog } from '../adapters/log/pino/pino-log.ts'
import { readRoles } from '../config/arguments.ts'
import { compileConfig, readConfigFile } from './configuration.ts'
import { start } from './compose.ts'
import type { Environment } from './secrets.ts'

export type ServeOptions = {
  /** Absent: the defaults. */
  readonly configFile?: string
  readonly dataDir: string
  /** Names of roles, several per element with commas between; none: every role. */
  readonly roles: readonly string[]
  readonly environment: Environment
  /** Stops the service; its reason is logged. */
  readonly signal: AbortSignal
}

/** False where the service could not start or its store failed; the log says why. */
export async function serve({ configFile, dataDir, roles: given, environment, signal }: ServeOptions): Promise<boolean> {
  let log = pinoLog('info')
  try {
    const roles = readRoles(given, processRoles)
    const config = configFile === undefined ? compileConfig({}) : readConfigFile(configFile)
    log = pinoLog(config.logLevel)
    const stopping = Promise.withResolvers<string>()
    signal.addEventListener('abort', () => stopping.resolve(String(signal.reason)), { once: true })
    let hasFailed = false
    const onFailed = (error: PilotageError): void => {
      log.error({ err: error }, 'the store failed')
      hasFailed = true
      stopping.resolve('store-failed')
    }
    const service = await start({ dataDir: resolve(dataDir), config, roles, environment, log, onFailed })
    if (signal.aborted) stopping.resolve(String(signal.reason))
    log.info({ why: await stopping.promise }, 'stopping')
    await service.stop()
    log.info({}, 'stopped')
    return !hasFailed
  } catch (thrown) {
    const error = thrown instanceof PilotageError ? thrown : asPilotageError(thrown, 'serving')
    log.error({ err: error, code: error.code, violations: error.violations }, 'the service cannot run')
    return false
  }
}
