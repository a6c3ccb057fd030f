/**
 * `pilotage image`: the catalogue of images. Making a key and endorsing need no service; the rest is for operators.
 *
 * A private key comes from a file and goes into a new one that only its owner reads; it is never on a command line.
 */

import { writeFileSync } from 'node:fs'
import { PilotageError } from '../../core/kernel/errors.ts'
import { signedText } from '../../core/model/image-entry.ts'
import type { ChangeImageResponse, Image } from '../../proto/gen/pilotage/v1/operate.ts'
import { endorse, newEndorserKey } from '../../client/endorser-key.ts'
import { readImageEntry, readSignedEntry, signedDocument } from '../../client/image-document.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { type CommonOptions, type ExitCode, readSmallFile, type Setting } from './setting.ts'
import { type Column, jsonLine, table, timeText } from './terminal.ts'

const fileBytes = 256 * 1024
const keyBytes = 16 * 1024

/** Two files: the private key (0600), and beside it the public one. */
export async function newKey({ terminal }: Setting, { out, json }: CommonOptions & { out: string }): Promise<ExitCode> {
  const { privatePem, publicPem } = newEndorserKey()
  const publicFile = `${out}.pub`
  writeNew(out, privatePem, 0o600)
  writeNew(publicFile, publicPem, 0o644)
  if (json) await terminal.write(jsonLine({ privateKey: out, publicKey: publicFile }))
  else {
    await terminal.write(`${out}: the private key, for whoever endorses and nobody else\n`)
    await terminal.write(`${publicFile}: the public key, for images.trusted in the configuration of the service\n`)
  }
  return 0
}

export type EndorseOptions = CommonOptions & {
  readonly key?: string
  readonly by: string
  readonly out?: string
  readonly show?: boolean
}

export async function endorseEntry({ terminal }: Setting, file: string, options: EndorseOptions): Promise<ExitCode> {
  const { key, by, out, show } = options
  const entry = readImageEntry(readSmallFile(file, fileBytes), by)
  if (show) {
    // Exactly what is signed: no line end behind it.
    await terminal.write(Buffer.from(signedText(entry)))
    return 0
  }
  if (key === undefined)
    throw new PilotageError('invalid-argument', 'whose key? --key FILE, or --show for the bytes to sign')
  const text = signedDocument({ entry, signature: endorse(entry, readSmallFile(key, keyBytes)) })
  if (out === undefined) await terminal.write(Buffer.from(text))
  else writeNew(out, text, 0o644)
  terminal.say(`${entry.name}, endorsed by ${by}, valid until ${timeText(entry.validUntilMs)} UTC`)
  return 0
}

export async function addImage(
  setting: Setting,
  client: PilotageClient,
  file: string,
  options: CommonOptions,
): Promise<ExitCode> {
  const signed = readSignedEntry(readSmallFile(file, fileBytes))
  return tell(setting, signed.entry.name, await client.addImage(signed), options)
}

export type Deciding = 'approve' | 'disapprove'

export async function decideImage(
  setting: Setting,
  client: PilotageClient,
  deciding: Deciding,
  name: string,
  options: CommonOptions & { readonly site: string },
): Promise<ExitCode> {
  const decide = deciding === 'approve' ? client.approveImage : client.disapproveImage
  return tell(setting, name, await decide(name, options.site), options)
}

export async function revokeImage(
  setting: Setting,
  client: PilotageClient,
  name: string,
  options: CommonOptions & { readonly reason?: string },
): Promise<ExitCode> {
  return tell(setting, name, await client.revokeImage(name, options.reason), options)
}

async function tell(
  { terminal }: Setting,
  name: string,
  answer: ChangeImageResponse,
  { json }: CommonOptions,
): Promise<ExitCode> {
  const known = answer.changed ? '' : ' (as before)'
  await terminal.write(json ? jsonLine({ name, ...answer }) : `${name}: ${answer.state}${known}\n`)
  return 0
}

const columns: readonly Column<Image>[] = [
  { title: 'IMAGE', cell: ({ name }) => name },
  { title: 'STATE', cell: ({ state }) => state },
  { title: 'SITES', cell: ({ approvals }) => approvals.map(({ site }) => site).join(',') || '-' },
  { title: 'OS', cell: ({ entry }) => entry?.os ?? '-' },
  { title: 'ARCH', cell: ({ entry }) => entry?.architecture ?? '-' },
  { title: 'VALID UNTIL', cell: ({ entry }) => timeText(entry?.validUntilMs ?? 0) },
  {
    title: 'ENDORSED BY',
    cell: ({ entry, distrust }) => `${entry?.endorsedBy ?? '-'}${distrust === '' ? '' : ' (not trusted)'}`,
  },
  { title: 'VMS', most: 120, cell: usesText },
]

/** Where VMs may be made, and why not elsewhere. */
function usesText({ uses, revokedBy, revokedWhy }: Image): string {
  if (uses.length === 0)
    return revokedBy === '' ? 'no cloud is configured with it' : `revoked by ${revokedBy}: ${revokedWhy}`
  return uses.map(({ cloud, barred }) => `${cloud}: ${barred === '' ? 'yes' : barred}`).join('; ')
}

export async function listImages({ terminal }: Setting, client: PilotageClient, { json }: CommonOptions): Promise<ExitCode> {
  const images = await client.images()
  await terminal.write(json ? images.map(jsonLine).join('') : table(columns, images))
  return 0
}

/** Never into a file that is there: its mode and its readers are somebody else's choice. */
function writeNew(path: string, text: string, mode: number): void {
  try {
    writeFileSync(path, text, { flag: 'wx', mode })
  } catch (cause) {
    throw new PilotageError('conflict', `writing ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}
