/**
 * `pilotage vm`: what happened to a virtual machine, and its drain.
 */

import type { Command } from 'commander'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { type Choose, withService } from '../action.ts'
import { jsonLine } from '../output/table.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'
import { writeFacts } from './inspect.ts'

export function addVmCommands(program: Command, choose: Choose): void {
  const vm = program.command('vm').description('show what happened to a virtual machine, or drain it')
  vm.command('history <vm>')
    .description('print what happened to the VM, oldest first; includes the end of its console if it never activated')
    .action(withService(choose, vmHistory))
  vm.command('drain <vm>')
    .description('let the VM finish its running jobs and start no others')
    .option('--reason <text>', 'reason, kept in the history of the VM')
    .action(withService(choose, drainVm))
}

async function vmHistory(
  { terminal }: Setting,
  client: PilotageClient,
  { json }: CommonOptions,
  vmId: string,
): Promise<ExitCode> {
  return writeFacts(terminal, await client.vmHistory(vmId), json)
}

async function drainVm(
  { terminal }: Setting,
  client: PilotageClient,
  { reason, json }: CommonOptions & { readonly reason?: string },
  vmId: string,
): Promise<ExitCode> {
  const answer = await client.drainVm(vmId, reason)
  const why = answer.refusal === '' ? '' : `: ${answer.refusal}`
  await terminal.write(json ? jsonLine(answer) : `${vmId}: ${answer.state || 'unchanged'}${why}\n`)
  return answer.refusal === '' ? 0 : 1
}
