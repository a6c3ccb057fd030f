/**
 * `pilotage context render`: the document that a VM of a cloud gets, without creating the VM. The activation key is left
 * out; the size is written to standard error. Exit code 1 if the document is too large for the cloud.
 */

import type { Command } from 'commander'
import { type Choose, withoutService } from '../action.ts'
import type { ExitCode, Setting } from '../setting.ts'

type RenderOptions = {
  readonly config: string
  readonly cloud: string
  readonly image?: string
  readonly flavor?: string
  readonly squid?: boolean
  readonly script?: boolean
}

export function addContextCommands(program: Command, choose: Choose): void {
  program
    .command('context')
    .description('show the document that contextualizes a VM')
    .command('render')
    .description('print the document that a VM of the cloud gets, without creating the VM; needs no service')
    .requiredOption('--config <file>', 'configuration of the service')
    .requiredOption('--cloud <name>', 'cloud of the VM')
    .option('--image <name>', "image of the VM (default: the cloud's first)")
    .option('--flavor <name>', "flavor of the VM (default: the cloud's first)")
    .option('--squid', "print the document of a squid at the cloud's site instead of a worker")
    .option('--script', 'print the plain script for images without cloud-init')
    .configureHelp({ showGlobalOptions: false })
    .action(withoutService(choose, render))
}

async function render({ terminal }: Setting, options: RenderOptions): Promise<ExitCode> {
  const { config: configFile, cloud, image, flavor, squid = false, script = false } = options
  const { previewContext } = await import('../../services/run/preview-context.ts')
  const { text, size } = await previewContext({ configFile, cloud, image, flavor, squid, script })
  terminal.say(`pilotage: ${size.text}`)
  await terminal.write(text)
  return size.isTooLarge ? 1 : 0
}
