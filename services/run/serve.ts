/**
 * Runs the service as a process of its own: with the roles that it is given, a log on standard output, and an end in good
 * order at the caller's signal. A service whose store failed acknowledges nothing more and ends; a supervisor restarts it.
 *
 * Reloading reads the configuration again and takes over what may change in a running service: the level of the log. The log
 * names the other keys that differ. Certificates need no reload: they are read again when their files change.
 */

import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { asPilotageError, PilotageError } from '../../core/kernel/errors.ts'
import { processRoles } from '../../core/model/process-role.ts'
import { type PinoLog, pinoLog } from '../adapters/log/pino/pino-log.ts'
import { readRoles } from '../config/arguments.ts'
import type { Config } from '../config/document.ts'
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
  /** Is given what to do when the configuration is to be read again. */
  readonly onReload: (reload: () => void) => void
}

/** False where the service could not start or its store failed; the log says why. */
export async function serve(options: ServeOptions): Promise<boolean> {
  const { configFile, dataDir, roles: given, environment, signal, onReload } = options
  const log = pinoLog('info')
  try {
    const roles = readRoles(given, processRoles)
    const config = configFile === undefined ? compileConfig({}) : readConfigFile(configFile)
    log.setLevel(config.logLevel)
    onReload(() => reload(config, configFile, log))
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

/** `running`: as it was read at the start. Changes nothing where the file cannot be used. */
function reload(running: Config, configFile: string | undefined, log: PinoLog): void {
  try {
    const now = configFile === undefined ? running : readConfigFile(configFile)
    log.setLevel(now.logLevel)
    const { logLevel, ...others } = now
    const atNextStart = Object.keys(others).filter((key) => {
      const name = key as keyof typeof others
      return !isDeepStrictEqual(others[name], running[name])
    })
    log.info({ logLevel, atNextStart }, 'configuration reloaded')
  } catch (thrown) {
    const { message, violations } = asPilotageError(thrown, 'reloading')
    log.error({ why: message, violations }, 'the running configuration stays: its file cannot be used')
  }
}
