#!/usr/bin/env -S node --max-semi-space-size=16
/**
 * The `pilotage` command: starts the program in cli/, which does everything else.
 *
 * `--max-semi-space-size=16` (MiB; V8's default is 32): memory for young objects grows to 32 MiB per thread and not to 64. A
 * flood of calls takes less memory, collections of young objects are shorter, and a job costs some 7 % less CPU
 * (docs/benchmarks.md).
 *
 * What was compiled once is kept beside the packages, where only their owner writes: a start takes half the time. In no
 * directory that others write, as Node's default is: who writes there decides what runs here.
 */

import { enableCompileCache } from 'node:module'
import { join } from 'node:path'

enableCompileCache(join(import.meta.dirname, '../node_modules/.cache/pilotage'))
const { runProcess } = await import('../cli/process.ts')

await runProcess()
