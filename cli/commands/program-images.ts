/** The part of the program that is about images: the offline half of whoever endorses them, and what operators decide. */

import type { Command } from 'commander'
import { type Choose, withService } from './choice.ts'
import type { EndorseOptions } from './images.ts'
import type { CommonOptions } from './setting.ts'

export function addImageCommands(program: Command, choose: Choose): void {
  const image = program.command('image').description('say which images VMs may be made from')
  addOffline(image, choose)
  image
    .command('list')
    .description('the catalogue, and for each cloud that is configured with an image whether VMs are made from it')
    .action((_options: object, command: Command) =>
      withService(choose, command, async (setting, client, options) =>
        (await import('./images.ts')).listImages(setting, client, options),
      ),
    )
  image
    .command('add <signed>')
    .description('put an endorsed entry into the catalogue; the same one again changes nothing')
    .action((file: string, _options: object, command: Command) =>
      withService<CommonOptions>(choose, command, async (setting, client, options) =>
        (await import('./images.ts')).addImage(setting, client, file, options),
      ),
    )
  for (const [deciding, description] of [
    ['approve', 'let VMs be made from it at a site'],
    ['disapprove', 'let no new VMs be made from it at a site; those that run go on'],
  ] as const) {
    image
      .command(`${deciding} <image>`)
      .description(description)
      .requiredOption('--site <site>', 'as in clouds[].site of the configuration')
      .action((name: string, _options: object, command: Command) =>
        withService<CommonOptions & { site: string }>(choose, command, async (setting, client, options) =>
          (await import('./images.ts')).decideImage(setting, client, deciding, name, options),
        ),
      )
  }
  image
    .command('revoke <image>')
    .description('no VMs from it any more, anywhere; those that run are drained. Final')
    .option('--reason <text>', 'kept with the image')
    .action((name: string, _options: object, command: Command) =>
      withService<CommonOptions & { reason?: string }>(choose, command, async (setting, client, options) =>
        (await import('./images.ts')).revokeImage(setting, client, name, options),
      ),
    )
}

function addOffline(image: Command, choose: Choose): void {
  image
    .command('keygen')
    .description('make a key for endorsing images: FILE (private, 0600) and FILE.pub; needs no service')
    .requiredOption('--out <file>', 'a file that is not there yet')
    .action((_options: object, command: Command) => {
      const options = command.optsWithGlobals<CommonOptions & { out: string }>()
      choose(async (setting) => (await import('./images.ts')).newKey(setting, options))
    })
  image
    .command('endorse <entry>')
    .description('sign the entry of an image (YAML or JSON); needs no service')
    .requiredOption('--by <name>', 'the name of the key in images.trusted')
    .option('--key <file>', 'the private key')
    .option('--out <file>', 'a file that is not there yet (standard output where not said)')
    .option('--show', 'write the bytes that are to be signed, and sign nothing')
    .action((entry: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<EndorseOptions>()
      choose(async (setting) => (await import('./images.ts')).endorseEntry(setting, entry, options))
    })
}
