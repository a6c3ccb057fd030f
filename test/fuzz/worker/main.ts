/**
 * A worker of the fuzz program: a process of its own, so that an input that ends it, or never ends, ends no other.
 * Takes batches by message, and writes the number of each input into a file before it runs it.
 *
 * Arguments: the module with the list of targets, and the file.
 */

import { openSync, writeSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { type Batch, runInputs } from '../run-inputs.ts'
import type { FuzzTarget } from '../target.ts'

const [module = '', place = ''] = process.argv.slice(2)
const { targets } = (await import(pathToFileURL(module).href)) as { targets: readonly FuzzTarget[] }
const spentMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}
const file = openSync(place, 'w')
const digits = Buffer.alloc(12)

process.on('disconnect', () => process.exit(0))
process.on('message', (batch: Batch) => {
  const target = targets.find(({ name }) => name === batch.target)
  if (!target) throw new Error(`there is no target ${batch.target}`)
  const result = runInputs(target, batch, spentMs, (index) => {
    digits.fill(' ')
    digits.write(String(index))
    writeSync(file, digits, 0, digits.length, 0)
  })
  process.send?.({ ...result, memoryBytes: process.resourceUsage().maxRSS * 1024 })
})
process.send?.('ready')
