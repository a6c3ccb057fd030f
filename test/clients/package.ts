/**
 * The package for Python, client/python, as its user gets it: built as a wheel, installed into a fresh virtual environment
 * by pip alone, and its own tests run from there against a service whose local cloud runs the jobs.
 *
 * The tree is copied first: a build leaves files beside its sources. What the wheel depends on comes from a directory of
 * wheels with known digests, so pip resolves it as for a user and asks no registry.
 */

import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../core/kernel/clock.ts'
import { localServiceConfig } from '../support/local-service-config.ts'
import { connectAdmin, serviceFiles, startServiceProcess } from '../support/service-process.ts'

type Attempt = {
  readonly dir: string
  /** A Python with the build requirements of the package. */
  readonly builder: string
  readonly wheelhouse: string
  readonly clock: Clock
  readonly runs: (program: string, args: readonly string[], cwd?: string, environment?: NodeJS.ProcessEnv) => boolean
}

const root = join(import.meta.dirname, '../..')
const users = { ada: 'vo1', bob: 'vo1', eve: 'vo2' } as const
const pip = ['-m', 'pip', '--quiet', '--disable-pip-version-check'] as const

/** Whether it can be built and installed, and all of its tests pass. */
export async function tryPackage(attempt: Attempt): Promise<boolean> {
  const { dir, runs } = attempt
  const python = install(attempt)
  if (python === undefined) return false
  const files = serviceFiles(dir, localServiceConfig)
  const service = startServiceProcess(attempt.clock, files)
  const tokens = join(dir, 'tokens')
  mkdirSync(tokens)
  try {
    const server = await service.serving()
    const admin = connectAdmin(attempt.clock, files, server)
    try {
      for (const [subject, vo] of Object.entries(users)) {
        const { token } = await admin.createToken({ subject, vo, group: 'users', roles: ['user'], lifetimeMs: 0 })
        writeFileSync(join(tokens, `${subject}.token`), token, { mode: 0o600 })
      }
    } finally {
      admin.close()
    }
    const environment = {
      PILOTAGE_SERVER: server,
      PILOTAGE_TOKENS: tokens,
      PILOTAGE_TOKEN_FILE: join(tokens, 'ada.token'),
    }
    return runs(python, ['-m', 'unittest', 'discover', '--verbose'], join(dir, 'tests'), environment)
  } finally {
    await service.ended('SIGTERM')
  }
}

/** The Python of a fresh environment with the package in it; undefined where it cannot be built or installed. */
function install({ dir, builder, wheelhouse, runs }: Attempt): string | undefined {
  const [sources, wheels, fresh] = [join(dir, 'sources'), join(dir, 'wheels'), join(dir, 'environment')]
  cpSync(join(root, 'client/python'), join(sources, 'client/python'), { recursive: true })
  cpSync(join(root, 'proto/pilotage'), join(sources, 'proto/pilotage'), { recursive: true })
  // The tests see the installed package only: none of its sources lies beside them.
  cpSync(join(root, 'client/python/tests'), join(dir, 'tests'), { recursive: true })
  cpSync(join(root, 'docs/how-to/use-from-python.md'), join(dir, 'tests/use-from-python.md'))
  const build = ['wheel', '--no-build-isolation', '--no-deps', '--wheel-dir', wheels, join(sources, 'client/python')]
  if (!runs(builder, [...pip, ...build]) || !runs(builder, ['-m', 'venv', fresh])) return undefined
  const python = join(fresh, 'bin/python')
  const [wheel = ''] = readdirSync(wheels)
  const from = ['install', '--no-index', '--find-links', wheelhouse, join(wheels, wheel)]
  const isInstalled = runs(python, [...pip, ...from]) && runs(python, [...pip, 'check'])
  return isInstalled ? python : undefined
}
