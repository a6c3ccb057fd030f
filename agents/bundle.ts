/**
 * Makes the agents' one-file programs: all that a VM needs besides Node, with nothing of this repository left to find.
 *
 * A file is named after its content, so a folder may hold the bundles of many versions, and one that is there is right.
 */

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert } from '../core/kernel/assert.ts'

type Build = typeof import('esbuild').build

/** `sha256` in hex, of the whole file. */
export type Bundle = { readonly path: string; readonly sha256: string }

export async function bundleAgents(outDir: string): Promise<{ readonly pilot: Bundle; readonly monitor: Bundle }> {
  mkdirSync(outDir, { recursive: true })
  // Only who bundles pays for loading the bundler, whose helper process ends with the work.
  const { build, stop } = await import('esbuild')
  try {
    const [pilot, monitor] = await Promise.all([bundle(build, 'pilot', outDir), bundle(build, 'monitor', outDir)])
    return { pilot, monitor }
  } finally {
    await stop()
  }
}

async function bundle(build: Build, agent: 'pilot' | 'monitor', outDir: string): Promise<Bundle> {
  const { outputFiles } = await build({
    entryPoints: [join(import.meta.dirname, agent, 'main.ts')],
    bundle: true,
    minify: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    write: false,
    logLevel: 'silent',
    legalComments: 'none',
  })
  const [file] = outputFiles
  assert(file !== undefined, 'one entry makes one file')
  const sha256 = createHash('sha256').update(file.contents).digest('hex')
  const path = join(outDir, `${agent}-${sha256.slice(0, 16)}.cjs`)
  if (!existsSync(path)) {
    // Two services may share the folder: a file is there whole or not at all.
    const scratch = mkdtempSync(join(outDir, 'new-'))
    writeFileSync(join(scratch, agent), file.contents)
    renameSync(join(scratch, agent), path)
    rmSync(scratch, { recursive: true })
  }
  return { path, sha256 }
}
