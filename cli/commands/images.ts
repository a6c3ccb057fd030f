/**
 * `pilotage image`: the catalogue of images, which VMs may be created from. Operators decide; the offline work of an
 * endorser is in image-keys.ts.
 */

import type { Command } from 'commander'
import type { ChangedImage, Image } from '../../client/cluster.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { type Choose, withService } from '../action.ts'
import { quietOption, writeRows } from '../output/rows.ts'
import { type Column, jsonLine, timeText } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'
import { readSmallFile } from '../small-file.ts'
import { addImageKeyCommands, maxEntryBytes } from './image-keys.ts'

const decisions = [
  ['approve', 'allow VMs from the image at a site'],
  ['disapprove', 'allow no new VMs from the image at a site; running VMs continue'],
] as const

export function addImageCommands(program: Command, choose: Choose): void {
  const image = program.command('image').description('decide which images VMs may be created from')
  addImageKeyCommands(image, choose)
  image
    .command('list')
    .description('list the catalogue, and per configured cloud whether VMs are created from the image')
    .option(...quietOption)
    .action(withService(choose, listImages))
  image
    .command('add <signed>')
    .description('add an endorsed entry to the catalogue; the same entry again changes nothing')
    .action(withService(choose, addImage))
  for (const [deciding, description] of decisions) {
    image
      .command(`${deciding} <image>`)
      .description(description)
      .requiredOption('--site <site>', 'the site, as in clouds[].site of the service configuration')
      .action(
        withService(choose, async (setting, client, options: CommonOptions & { site: string }, name: string) => {
          const decide = deciding === 'approve' ? client.approveImage : client.disapproveImage
          return writeChange(setting, name, await decide(name, options.site), options)
        }),
      )
  }
  image
    .command('revoke <image>')
    .description('allow no VMs from the image at any site, drain those that run; final')
    .option('--reason <text>', 'reason, kept with the image')
    .action(withService(choose, revokeImage))
}

async function addImage(setting: Setting, client: PilotageClient, options: CommonOptions, file: string): Promise<ExitCode> {
  const { readSignedEntry } = await import('../../client/image-document.ts')
  const signed = readSignedEntry(readSmallFile(file, maxEntryBytes))
  return writeChange(setting, signed.entry.name, await client.addImage(signed), options)
}

async function revokeImage(
  setting: Setting,
  client: PilotageClient,
  options: CommonOptions & { readonly reason?: string },
  name: string,
): Promise<ExitCode> {
  return writeChange(setting, name, await client.revokeImage(name, options.reason), options)
}

async function writeChange(
  { terminal }: Setting,
  name: string,
  answer: ChangedImage,
  { json }: CommonOptions,
): Promise<ExitCode> {
  const unchanged = answer.changed ? '' : ' (unchanged)'
  await terminal.write(json ? jsonLine({ name, ...answer }) : `${name}: ${answer.state}${unchanged}\n`)
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
  { title: 'VMS', maxWidth: 120, cell: usesText },
]

/** Where VMs may be created from it, and why not elsewhere. */
function usesText({ uses, revokedBy, revokedWhy }: Image): string {
  if (uses.length === 0) {
    return revokedBy === '' ? 'not configured in any cloud' : `revoked by ${revokedBy}: ${revokedWhy}`
  }
  return uses.map(({ cloud, barred }) => `${cloud}: ${barred === '' ? 'yes' : barred}`).join('; ')
}

async function listImages(
  { terminal }: Setting,
  client: PilotageClient,
  options: CommonOptions & { readonly quiet?: boolean },
): Promise<ExitCode> {
  await writeRows(terminal, options, columns, await client.images(), ({ name }) => name)
  return 0
}
