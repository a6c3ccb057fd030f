/**
 * The operator's and the administrator's part of the program, and the commands that bring a service of their own.
 */

import type { Command } from 'commander'
import { tokenMaxMs } from '../../core/kernel/limits.ts'
import { type Choose, withService } from './choice.ts'
import type { TokenOptions } from './cluster.ts'
import type { ReplayCommandOptions } from './replay.ts'
import { type CommonOptions, numberArgument } from './setting.ts'

const mostRows = 1000
const mostTraceJobs = 10_000_000
const tokenHours = tokenMaxMs / 3_600_000

export function addClusterCommands(program: Command, choose: Choose): void {
  const cluster = program.command('cluster').description('look at the installation')
  cluster
    .command('status')
    .description('jobs and VMs, counted')
    .action((_options: object, command: Command) =>
      withService(choose, command, async (setting, client, options) =>
        (await import('./cluster.ts')).clusterStatus(setting, client, options),
      ),
    )
  cluster
    .command('queues')
    .description('task queues with what they wait for, most waiting first')
    .option('--limit <count>', 'at most so many', numberArgument(1, mostRows), 100)
    .action((_options: object, command: Command) =>
      withService<CommonOptions & { limit?: number }>(choose, command, async (setting, client, options) =>
        (await import('./cluster.ts')).queues(setting, client, options),
      ),
    )
  cluster
    .command('vms')
    .description('virtual machines')
    .option('--ended', 'also those that have ended')
    .option('--limit <count>', 'at most so many', numberArgument(1, mostRows), mostRows)
    .action((_options: object, command: Command) =>
      withService<CommonOptions & { ended?: boolean; limit?: number }>(choose, command, async (setting, client, options) =>
        (await import('./cluster.ts')).vms(setting, client, options),
      ),
    )
  cluster
    .command('clouds')
    .description('clouds with their limits and breakers, and the last plan')
    .action((_options: object, command: Command) =>
      withService(choose, command, async (setting, client, options) =>
        (await import('./cluster.ts')).clouds(setting, client, options),
      ),
    )
  const vms = program.command('vm').description('steer a virtual machine, and read its story')
  vms
    .command('history <vm>')
    .description('what happened to it, with the end of its console where it never came up')
    .action((vm: string, _options: object, command: Command) =>
      withService<CommonOptions>(choose, command, async (setting, client, options) =>
        (await import('./cluster.ts')).vmHistory(setting, client, vm, options),
      ),
    )
  vms
    .command('drain <vm>')
    .description('let it finish what it runs and take nothing more')
    .option('--reason <text>', 'kept in the history')
    .action((vm: string, _options: object, command: Command) =>
      withService<CommonOptions & { reason?: string }>(choose, command, async (setting, client, options) =>
        (await import('./cluster.ts')).drainVm(setting, client, vm, options),
      ),
    )
  addTokenCommand(program, choose)
}

function addTokenCommand(program: Command, choose: Choose): void {
  program
    .command('token')
    .description('what the administrator issues')
    .command('create')
    .description('make a token for a user; written to standard output, or with --out to a new file of mode 0600')
    .requiredOption('--subject <user>', "the user's name")
    .requiredOption('--vo <vo>', 'the VO that it speaks for')
    .option('--group <group>', 'the group in the VO', 'users')
    .option('--role <roles...>', 'user, operator, admin', ['user'])
    .option('--hours <hours>', 'how long it is good (24 where not said)', numberArgument(0.01, tokenHours, false))
    .option('--out <file>', 'a file that is not there yet')
    .action((_options: object, command: Command) =>
      withService<TokenOptions>(choose, command, async (setting, client, options) =>
        (await import('./cluster.ts')).createToken(setting, client, options),
      ),
    )
}

export function addOwnServiceCommands(program: Command, choose: Choose): void {
  program
    .command('replay <trace>')
    .description('submit a Standard Workload Format trace (.swf or .swf.gz) as jobs, with its time compressed')
    .option('--jobs <count>', 'the first so many that ran', numberArgument(1, mostTraceJobs), 1000)
    .option('--minutes <minutes>', 'how long it shall take', numberArgument(0.05, 10_000, false), 2)
    .option('--factor <factor>', 'divide time by this instead', numberArgument(1, 1_000_000_000, false))
    .option('--burn', 'payloads use a core instead of sleeping')
    .addHelpText('after', '\nWithout --server it starts a service of its own in a temporary directory.')
    .action((trace: string, _options: object, command: Command) => {
      const options = command.optsWithGlobals<ReplayCommandOptions>()
      choose(async (setting) => (await import('./replay.ts')).replay(setting, trace, options))
    })
  program
    .command('demo')
    .description('the whole of it on this machine in about a minute, with a service of its own')
    .option('--data <directory>', 'where it works (./pilotage-demo); emptied at the start')
    .action((_options: object, command: Command) => {
      const options = command.optsWithGlobals<{ data?: string }>()
      choose(async (setting) => (await import('./demo.ts')).demo(setting, options))
    })
  program
    .command('serve')
    .description('run the service (pilotage serve --help tells its options)')
    .action((_options: object, command: Command) => command.error('serve comes first: pilotage serve [options]'))
  program
    .command('facts')
    .description('what happened, as JSON lines out of NATS (pilotage facts --help tells its options)')
    .action((_options: object, command: Command) => command.error('facts comes first: pilotage facts [options]'))
  program
    .command('context')
    .description('what a VM would be told, without making one (pilotage context --help tells how)')
    .action((_options: object, command: Command) => command.error('context comes first: pilotage context render'))
  program
    .command('store')
    .description('export or import a store: back it up, move it (pilotage store --help tells how)')
    .action((_options: object, command: Command) => command.error('store comes first: pilotage store export | import'))
}
