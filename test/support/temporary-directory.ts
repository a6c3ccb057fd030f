/** A directory for one test's work: away when the work succeeded, kept and named when it failed. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export async function inTemporaryDirectory<Answer>(name: string, work: (dir: string) => Promise<Answer>): Promise<Answer> {
  const dir = mkdtempSync(join(tmpdir(), `pilotage-${name}-`))
  let answer: Answer
  try {
    answer = await work(dir)
  } catch (thrown) {
    throw new Error(`${thrown instanceof Error ? thrown.message : String(thrown)} (kept in ${dir})`, { cause: thrown })
  }
  rmSync(dir, { recursive: true, force: true })
  return answer
}
