/**
 * The certificate that an edge serves, as its files hold it now: read again when they change, without a restart.
 *
 * Only TLS 1.3 is served unless the configuration says otherwise. Files that cannot be used (a key of another certificate,
 * half a file) change nothing: the certificate that was served before stays, and the log has an error once per change.
 * Refuses to know which server it is for.
 */

import { stat } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { Clock } from '../../core/kernel/clock.ts'
import { startLoop } from '../coordination/loop.ts'
import type { Log } from '../../core/ports/log.ts'
import type { ServedTls, TlsContext, TlsFiles, TlsPair } from '../../core/ports/served-tls.ts'

export type ServedTlsOptions = {
  /** The configuration's key of these files, for the log. */
  readonly path: string
  readonly files: TlsFiles
  /** What was read at the start. */
  readonly pair: TlsPair
  /** Reads and checks the files again. Throws where they cannot be used. */
  readonly read: (path: string, files: TlsFiles) => TlsPair
  readonly clock: Clock
  readonly log: Log
}

/** Certificates are renewed days before they end; this only has to be short for the operator who waits for it. */
export const lookEveryMs = 5000

/** For edges that may have no certificate. `onStop` is given what ends the looking. */
export function servedTls(
  { read, clock, log }: Pick<ServedTlsOptions, 'read' | 'clock' | 'log'>,
  onStop: (stop: () => Promise<void>) => void,
) {
  return (path: string, files: TlsFiles | undefined, pair: TlsPair | undefined): ServedTls | undefined => {
    if (!files || !pair) return undefined
    const tls = serveTls({ path, files, pair, read, clock, log })
    onStop(() => tls.stop())
    return tls
  }
}

export function serveTls({ path, files, pair, read, clock, log }: ServedTlsOptions): ServedTls & { stop(): Promise<void> } {
  const hearers = new Set<(context: TlsContext) => void>()
  let context = contextOf(pair, files)
  let seen: string | undefined

  async function look(): Promise<void> {
    const mark = await markOf(files)
    if (mark === seen) return
    // A change between the start and the first look is a change too: what was read decides, not when.
    seen = mark
    let next: TlsContext
    try {
      next = contextOf(read(path, files), files)
    } catch (err) {
      log.error({ err, path, ...files }, 'the certificate that was served before stays: its files cannot be used')
      return
    }
    if (next.cert === context.cert && next.key === context.key) return
    context = next
    log.info({ path, ...files }, 'serving a new certificate')
    for (const hear of hearers) hear(context)
  }

  const onError = (err: unknown): void => log.error({ err, path }, 'looking for a new certificate')
  const loop = startLoop({ clock, periodMs: lookEveryMs, step: look, onError })
  return {
    context: () => context,
    onChange(hear) {
      hearers.add(hear)
      return () => void hearers.delete(hear)
    },
    stop: () => loop.stop(),
  }
}

/** Throws for what no TLS server can use. */
function contextOf({ certPem, keyPem }: TlsPair, { minVersion }: TlsFiles): TlsContext {
  const context = { cert: certPem, key: keyPem, minVersion: `TLSv${minVersion}` } as const
  createSecureContext(context)
  return context
}

/** Changes with the files, also where one was replaced by another of the same age and size: nothing sets ctime back. */
async function markOf({ certFile, keyFile }: TlsFiles): Promise<string> {
  const marks = await Promise.all(
    [certFile, keyFile].map(async (file) => {
      try {
        const { ctimeMs, mtimeMs, size, ino } = await stat(file)
        return [ctimeMs, mtimeMs, size, ino].join(' ')
      } catch (error) {
        return error instanceof Error && 'code' in error ? String(error.code) : String(error)
      }
    }),
  )
  return marks.join(', ')
}
