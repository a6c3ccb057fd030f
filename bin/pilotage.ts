#!/usr/bin/env -S node --max-semi-space-size=16
/**
 * The `pilotage` command: starts the program in cli/, which does everything else.
 *
 * `--max-semi-space-size=16` (MiB; V8's default is 32): memory for young objects grows to 32 MiB per thread and not to 64. A
 * flood of calls takes less memory, collections of young objects are shorter, and a job costs some 7 % less CPU
 * (docs/benchmarks.md).
 */

import { runProcess } from '../cli/process.ts'

await runProcess()
