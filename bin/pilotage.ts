#!/usr/bin/env node
/** The `pilotage` command: starts the program in cli/, which does everything else. */

import { runProcess } from '../cli/process.ts'

await runProcess()
