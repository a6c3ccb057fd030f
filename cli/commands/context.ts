/**
 * `pilotage context render`: what a VM of a cloud would be told, without making one. The activation key is left out, so that
 * the document can be shown, checked and filed; its size goes to standard error, against what the cloud takes. Exit codes: 0
 * done, 1 failed or too large, 2 wrong usage.
 */

import { parseArgs } from 'node:util'
import { asPilotageError } from '../../core/kernel/errors.ts'
import { type PreviewOptions, previewContext } from '../../services/run/preview-context.ts'

const usage = `pilotage context render --config FILE --cloud NAME [options]   writes what a VM there would be told

  --image NAME    the image (the cloud's first)
  --flavor NAME   the flavor (the cloud's first)
  --squid         a squid that is kept at the cloud's site, in place of a worker
  --script        as the plain script for images without cloud-init
`

const options = {
  config: { type: 'string' },
  cloud: { type: 'string' },
  image: { type: 'string' },
  flavor: { type: 'string' },
  script: { type: 'boolean', default: false },
  squid: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

export async function context(argv: readonly string[]): Promise<void> {
  const order = read(argv)
  if (!order) return
  try {
    const { text, size } = await previewContext(order)
    process.stderr.write(`pilotage: ${size.text}\n`)
    if (size.isTooLarge) process.exitCode = 1
    process.stdout.write(text)
  } catch (thrown) {
    const error = asPilotageError(thrown, 'rendering a context')
    const details = error.violations.map(({ path, value, rule, accepted }) => `\n  ${path}: ${value}: ${rule}; ${accepted}`)
    process.stderr.write(`pilotage: ${error.code}: ${error.message}${details.join('')}\n`)
    process.exitCode = 1
  }
}

/** Undefined where there is nothing to do any more: help was given, or wrong usage told. */
function read(argv: readonly string[]): PreviewOptions | undefined {
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true })
    if (values.help) {
      process.stdout.write(usage)
      return undefined
    }
    const { config, cloud } = values
    if (positionals.join() !== 'render') throw new Error('render?')
    if (config === undefined || cloud === undefined) throw new Error('--config and --cloud are needed')
    return { ...values, configFile: config, cloud }
  } catch (error) {
    process.stderr.write(`pilotage: ${error instanceof Error ? error.message : error}\n\n${usage}`)
    process.exitCode = 2
    return undefined
  }
}
