/** `pilotage share`: the share tree, and the weights that operators set. */

import { type Command, Option } from 'commander'
import type { Share, SharePath } from '../../client/cluster.ts'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { weightBounds } from '../../core/share/weights.ts'
import { type Choose, withService } from '../action.ts'
import { numberBetween } from '../arguments.ts'
import { quietOption, writeRows } from '../output/rows.ts'
import { type Column, jsonLine } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

type Node = { readonly vo: string; readonly group?: string; readonly owner?: string; readonly reason?: string }

export function addShareCommands(program: Command, choose: Choose): void {
  const share = program.command('share').description('show or set how much each VO, group and owner gets')
  share
    .command('list')
    .description('list the share tree: what each VO, group and owner asks for, used and should have')
    .option(...quietOption)
    .action(withService(choose, listShares))
  nodeOptions(share.command('set'))
    .description('set how much a VO, group or owner gets beside the others of its level')
    .addOption(
      new Option('--weight <number>', 'the weight: with 60 beside 30 it gets twice as much')
        .argParser(numberBetween(weightBounds.min, weightBounds.max, false))
        .makeOptionMandatory(),
    )
    .action(withService(choose, setShare))
  nodeOptions(share.command('reset'))
    .description('give a VO, group or owner the weight of the configuration again')
    .action(withService(choose, setShare))
}

function nodeOptions(command: Command): Command {
  return command
    .requiredOption('--vo <vo>', 'the VO')
    .option('--group <group>', 'a group of the VO')
    .option('--owner <owner>', 'an owner in the group')
    .option('--reason <text>', 'reason, kept with the change')
}

const percent = (part: number): string => `${(100 * part).toFixed(1)} %`

const columns: readonly Column<Share>[] = [
  { title: 'SHARE', cell: ({ vo, group, owner }) => [vo, group, owner].filter((name) => name !== '').join(' / ') },
  { title: 'WEIGHT', right: true, cell: ({ weight }) => String(weight) },
  { title: 'WAITING', right: true, cell: ({ waiting }) => String(waiting) },
  { title: 'CORE HOURS', right: true, cell: ({ usedCoreMs }) => (usedCoreMs / 3_600_000).toFixed(1) },
  { title: 'USED', right: true, cell: ({ used }) => percent(used) },
  { title: 'TARGET', right: true, cell: ({ target, waiting }) => (waiting > 0 ? percent(target) : '-') },
  { title: 'FACTOR', right: true, cell: ({ factor, waiting }) => (waiting > 0 ? factor.toFixed(2) : '-') },
]

async function listShares(
  { terminal }: Setting,
  client: PilotageClient,
  options: CommonOptions & { readonly quiet?: boolean },
): Promise<ExitCode> {
  const { nodes } = await client.shares()
  await writeRows(terminal, options, columns, nodes, (node) => nameOf(node))
  return 0
}

async function setShare(
  { terminal }: Setting,
  client: PilotageClient,
  { vo, group, owner, reason, weight, json }: CommonOptions & Node & { readonly weight?: number },
): Promise<ExitCode> {
  const answer = await client.setShareWeight({ vo, group, owner }, weight, reason)
  const now = weight === undefined ? 'as configured' : `weight ${weight}`
  const unchanged = answer.changed ? '' : ' (unchanged)'
  await terminal.write(json ? jsonLine(answer) : `${nameOf({ vo, group, owner })}: ${now}${unchanged}\n`)
  return 0
}

function nameOf({ vo, group = '', owner = '' }: SharePath): string {
  return [vo, group, owner].filter((name) => name !== '').join('/')
}
