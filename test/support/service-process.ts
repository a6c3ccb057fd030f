/**
 * The service as a process of its own, `pilotage serve`, as an operator would run it: started, watched by its log, ended by
 * signals. Knows nothing of what is asked of it. Its log is kept in a file beside its data directory, over all its lives.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, until } from '../../core/kernel/clock.ts'
import { connectPilotage, type PilotageClient } from '../../client/pilotage-client.ts'
import { programLine } from './program.ts'

export type ServiceFiles = {
  readonly dataDir: string
  readonly configPath: string
  readonly logPath: string
}

export type ServiceProcess = {
  readonly pid: number
  /** What this life has said so far. */
  log(): string
  /** host:port once it serves; empty where it has no API. Throws where it ended, or took too long. */
  serving(withinMs?: number): Promise<string>
  /** Where it listens, once it serves. */
  places(): Places
  isServing(): boolean
  /** Ends by the signal, or by itself where none is given; answers its exit code, or the signal that it fell to. */
  ended(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals>
  hasEnded(): boolean
}

export type Places = { readonly grpc?: string; readonly dashboard?: string; readonly health?: string }

/** Files of a service in `dir`, its configuration written as JSON, which is YAML. */
export function serviceFiles(dir: string, config: object): ServiceFiles {
  const configPath = join(dir, 'pilotage.yaml')
  writeFileSync(configPath, JSON.stringify(config, undefined, 2))
  return { dataDir: join(dir, 'data'), configPath, logPath: join(dir, 'serve.log') }
}

/** `words`: more of the command line, as `--role api`. */
export function startServiceProcess(
  clock: Clock,
  { dataDir, configPath, logPath }: ServiceFiles,
  words: readonly string[] = [],
): ServiceProcess {
  const line = programLine('serve', '--data', dataDir, '--config', configPath, ...words)
  const child: ChildProcess = spawn(process.execPath, line, { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  const keep = (piece: Buffer): void => {
    text += piece
    appendFileSync(logPath, piece)
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  let ending: number | NodeJS.Signals | undefined
  const over = new Promise<number | NodeJS.Signals>((resolve) => {
    child.on('close', (code, signal) => {
      ending = code ?? signal ?? 'SIGKILL'
      resolve(ending)
    })
  })
  return {
    pid: child.pid ?? 0,
    log: () => text,
    async serving(withinMs = 30_000) {
      await until(clock, () => ending !== undefined || placesIn(text) !== undefined, { withinMs, everyMs: 20 })
      const places = placesIn(text)
      if (!places) throw new Error(`the service does not serve (${ending ?? 'still starting'}): ${text}`)
      return places.grpc ?? ''
    },
    places: () => placesIn(text) ?? {},
    isServing: () => placesIn(text) !== undefined,
    ended(signal) {
      if (signal && ending === undefined) child.kill(signal)
      return over
    },
    hasEnded: () => ending !== undefined,
  }
}

/** As the administrator of a service that serves. `patienceMs`: how long an absence of the service is borne. */
export function connectAdmin(
  clock: Clock,
  { dataDir }: Pick<ServiceFiles, 'dataDir'>,
  server: string,
  patienceMs = 30_000,
): PilotageClient {
  const token = readFileSync(join(dataDir, 'admin.token'), 'utf8').trim()
  return connectPilotage({ server, token, clock, patienceMs })
}

export async function connectUser(admin: PilotageClient, vo: string, subject: string): Promise<PilotageClient> {
  const { token } = await admin.createToken({ subject, vo, group: 'users', roles: ['user'], lifetimeMs: 0 })
  return admin.as(token)
}

function placesIn(text: string): Places | undefined {
  const line = text.split('\n').find((row) => row.includes('"msg":"serving"') && row.endsWith('}'))
  return line === undefined ? undefined : (JSON.parse(line) as Places)
}
