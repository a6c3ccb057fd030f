/** What attacks need beside shell and Perl: which of it this machine has, and the library that `probes/evil.c` becomes. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Tool } from './attack.ts'

export type Tools = {
  /** What this machine lacks, with the reason. */
  readonly missing: ReadonlyMap<Tool, string>
  /** In base64; undefined: there is no compiler. */
  readonly library: string | undefined
}

export function findTools(): Tools {
  const missing = new Map<Tool, string>()
  for (const tool of ['gcc', 'python3', 'bash'] as const) {
    if (!existsSync(`/usr/bin/${tool}`)) missing.set(tool, `there is no /usr/bin/${tool}`)
  }
  if (process.arch !== 'x64') missing.set('x64', `its system calls are numbered for x64, and this is ${process.arch}`)
  if (missing.has('gcc')) return { missing, library: undefined }
  const folder = mkdtempSync(join(tmpdir(), 'pilotage-hostile-'))
  const out = join(folder, 'evil.so')
  const source = join(import.meta.dirname, 'probes/evil.c')
  const built = spawnSync('/usr/bin/gcc', ['-shared', '-fPIC', '-Os', '-s', '-o', out, source], { timeout: 60_000 })
  const library = built.status === 0 ? readFileSync(out).toString('base64') : undefined
  rmSync(folder, { recursive: true })
  if (library === undefined) missing.set('gcc', `gcc does not build the probe: ${built.stderr}`)
  return { missing, library }
}
