/**
 * `pilotage image keygen` and `image endorse`: the offline work of an endorser, which needs no service. A private key is
 * read from a file and written to a new one that only its owner can read; it is never on a command line.
 */

import type { Command } from 'commander'
import { PilotageError } from '../../core/kernel/errors.ts'
import { signedText } from '../../core/model/image-entry.ts'
import { type Choose, withoutService } from '../action.ts'
import { jsonLine, timeText } from '../output/table.ts'
import { type CommonOptions, type ExitCode, type Setting, writeNewFile } from '../setting.ts'
import { readSmallFile } from '../small-file.ts'

export const maxEntryBytes = 256 * 1024
const maxKeyBytes = 16 * 1024

export function addImageKeyCommands(image: Command, choose: Choose): void {
  image
    .command('keygen')
    .description('create a key for endorsing images: FILE (private, mode 0600) and FILE.pub; needs no service')
    .requiredOption('--out <file>', 'file to create')
    .action(withoutService(choose, newKey))
  image
    .command('endorse <entry>')
    .description('sign the entry of an image (YAML or JSON); needs no service')
    .requiredOption('--by <name>', 'name of the key in images.trusted of the service configuration')
    .option('--key <file>', 'private key')
    .option('--out <file>', 'file to create (default: standard output)')
    .option('--show', 'print the bytes that would be signed, without signing')
    .action(withoutService(choose, endorseEntry))
}

async function newKey({ terminal }: Setting, { out, json }: CommonOptions & { out: string }): Promise<ExitCode> {
  const { newEndorserKey } = await import('../../client/endorser-key.ts')
  const { privatePem, publicPem } = newEndorserKey()
  const publicFile = `${out}.pub`
  writeNewFile(out, privatePem, 0o600)
  writeNewFile(publicFile, publicPem, 0o644)
  const text = [
    `${out}: the private key; only the endorser needs it\n`,
    `${publicFile}: the public key, for images.trusted in the configuration of the service\n`,
  ]
  await terminal.write(json ? jsonLine({ privateKey: out, publicKey: publicFile }) : text.join(''))
  return 0
}

type EndorseOptions = CommonOptions & {
  readonly key?: string
  readonly by: string
  readonly out?: string
  readonly show?: boolean
}

async function endorseEntry({ terminal }: Setting, options: EndorseOptions, file: string): Promise<ExitCode> {
  const { key, by, out, show } = options
  const { readImageEntry, signedDocument } = await import('../../client/image-document.ts')
  const entry = readImageEntry(readSmallFile(file, maxEntryBytes), by)
  if (show) {
    // Exactly what is signed: without a line end.
    await terminal.write(Buffer.from(signedText(entry)))
    return 0
  }
  if (key === undefined) {
    throw new PilotageError('invalid-argument', 'no key: give --key FILE, or --show to print the bytes to sign')
  }
  const { endorse } = await import('../../client/endorser-key.ts')
  const text = signedDocument({ entry, signature: endorse(entry, readSmallFile(key, maxKeyBytes)) })
  if (out === undefined) await terminal.write(Buffer.from(text))
  else writeNewFile(out, text, 0o644)
  terminal.say(`${entry.name}, endorsed by ${by}, valid until ${timeText(entry.validUntilMs)} UTC`)
  return 0
}
