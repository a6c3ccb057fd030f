/**
 * The program: which commands there are, what each accepts, and which function does it. A command's code is loaded when it
 * is asked for, so that `--help` and a wrong option cost nothing.
 *
 * Parsing only chooses; the chosen command runs afterwards in the setting that it is given.
 */

import { Argument, Command, CommanderError, Option } from 'commander'
import { asPilotageError } from '../../core/kernel/errors.ts'
import { jobStates } from '../../core/model/job.ts'
import type { JobSelection, OutputSelection } from '../../client/pilotage-client.ts'
import { type Choose, type Run, withService } from './choice.ts'
import type { Steering } from './jobs.ts'
import { addImageCommands } from './program-images.ts'
import { addClusterCommands, addOwnServiceCommands } from './program-operate.ts'
import { type CommonOptions, jobIdArgument, jobIdArguments, numberArgument, type Setting } from './setting.ts'
import type { SubmitOptions } from './submit.ts'
import { refusalJson, refusalText, safeTerminal, type Terminal } from './terminal.ts'

const usage = 2
const mostRows = 1_000_000_000
const mostPatienceSeconds = 86_400

/** `argv` without the program's own name. Answers the exit code; never throws. */
export async function runCommand(argv: readonly string[], given: Setting): Promise<number> {
  const terminal = safeTerminal(given.terminal)
  const setting = { ...given, terminal }
  const help: string[] = []
  let chosen: Run | undefined
  const program = buildProgram((run) => {
    chosen = run
  })
  configureOutput(program, terminal, (text) => help.push(text))
  try {
    program.parse([...argv], { from: 'user' })
    if (chosen) return await chosen(setting)
    return usage
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      await terminal.write(help.join(''))
      return thrown.exitCode === 0 ? 0 : usage
    }
    const error = asPilotageError(thrown, 'running the command')
    terminal.say(argv.includes('--json') ? refusalJson(error) : refusalText(error))
    return 1
  }
}

function buildProgram(choose: Choose): Command {
  const program = new Command('pilotage')
    .description('Submit jobs to Pilotage, follow them, and look after the machines that run them.')
    .option('--server <host:port>', 'the service, several with commas between (PILOTAGE_SERVER; else 127.0.0.1:7400)')
    .option('--token-file <file>', 'your token (PILOTAGE_TOKEN_FILE; else ./pilotage-data/admin.token)')
    .option('--ca-file <file>', "the service's certificate authority (PILOTAGE_CA_FILE); needed beyond this machine")
    .option('--patience <seconds>', 'how long to try a service that is away', numberArgument(0, mostPatienceSeconds, false))
    .option('--json', 'for machines: JSON, one object a line where there may be many')
    .showHelpAfterError('(--help tells more)')
  addJobCommands(program, choose)
  addSteering(program, choose)
  addLooking(program, choose)
  addClusterCommands(program, choose)
  addImageCommands(program, choose)
  addOwnServiceCommands(program, choose)
  return program
}

/** Errors come as exceptions, help as text: the process is not ours to end. */
function configureOutput(command: Command, terminal: Terminal, writeOut: (text: string) => void): void {
  command.exitOverride()
  command.configureOutput({ writeOut, writeErr: (text) => terminal.say(text.trimEnd()) })
  for (const sub of command.commands) configureOutput(sub, terminal, writeOut)
}

function jobsArgument(): Argument {
  return new Argument('<jobs...>', 'numbers of jobs').argParser(jobIdArguments)
}

function jobArgument(): Argument {
  return new Argument('<job>', 'number of a job').argParser(jobIdArgument)
}

function addJobCommands(program: Command, choose: Choose): void {
  program
    .command('submit <file>')
    .description('submit the jobs of a YAML or JSON document (- reads standard input)')
    .option('--key <key>', 'idempotency key: the same key with the same jobs adds nothing')
    .option('--stream', 'any number of jobs: JSON lines, or YAML documents with --- between them')
    .option('--wait', 'follow the jobs to their end; 1 unless all are Done')
    .action((file: string, _options: object, command: Command) =>
      withService<SubmitOptions>(choose, command, async (setting, client, options) =>
        (await import('./submit.ts')).submit(setting, client, file, options),
      ),
    )
  program
    .command('status')
    .addArgument(jobsArgument())
    .description('show jobs as they are now (cluster status shows the whole)')
    .action((ids: readonly number[], _options: object, command: Command) =>
      withService(choose, command, async (setting, client, options) =>
        (await import('./jobs.ts')).status(setting, client, ids, options),
      ),
    )
  program
    .command('list')
    .description("list your VO's jobs, newest first")
    .addOption(new Option('--state <states...>', 'only these').choices([...jobStates]))
    .option('--owner <owner>', 'only of this owner')
    .option('--vo <vo>', 'of another VO (operators)')
    .option('--limit <count>', 'at most so many', numberArgument(1, mostRows), 100)
    .action((_options: object, command: Command) =>
      withService<CommonOptions & JobSelection & { readonly state?: readonly string[] }>(
        choose,
        command,
        async (setting, client, options) => {
          const { state: states, owner, vo, limit } = options
          return (await import('./jobs.ts')).list(setting, client, { states, owner, vo, limit }, options)
        },
      ),
    )
}

function addSteering(program: Command, choose: Choose): void {
  const steerings: readonly (readonly [Steering, string])[] = [
    ['kill', 'end jobs, running or not'],
    ['hold', 'keep waiting jobs from being started'],
    ['release', 'let held jobs wait again'],
    ['reschedule', 'run jobs again; one that has ended is submitted anew'],
  ]
  for (const [steering, description] of steerings) {
    program
      .command(steering)
      .addArgument(jobsArgument())
      .description(description)
      .option('--reason <text>', 'kept in the history')
      .action((ids: readonly number[], _options: object, command: Command) =>
        withService<CommonOptions & { readonly reason?: string }>(choose, command, async (setting, client, options) =>
          (await import('./jobs.ts')).steer(setting, client, steering, ids, options),
        ),
      )
  }
}

function addLooking(program: Command, choose: Choose): void {
  for (const [name, description] of [
    ['history', 'what happened to a job, oldest first'],
    ['explain', 'rule by rule: why a job waits, or why it runs where it does'],
  ] as const) {
    program
      .command(name)
      .addArgument(jobArgument())
      .description(description)
      .action((id: number, _options: object, command: Command) =>
        withService(choose, command, async (setting, client, options) =>
          (await import('./jobs.ts'))[name](setting, client, id, options),
        ),
      )
  }
  program
    .command('output')
    .addArgument(jobArgument())
    .description('print what a job wrote; on a terminal with its control characters spelled out')
    .option('--stderr', 'its standard error instead of its standard output')
    .option('--attempt <number>', 'of this attempt instead of the last', numberArgument(1, 1_000_000))
    .option('--raw', 'print every byte as it is, on a terminal too: the terminal acts on it')
    .action((id: number, _options: object, command: Command) =>
      withService<CommonOptions & { readonly stderr?: boolean; readonly attempt?: number; readonly raw?: boolean }>(
        choose,
        command,
        async (setting, client, { stderr, attempt, raw }) => {
          const selection: OutputSelection = { name: stderr ? 'stderr' : 'stdout', attempt }
          return (await import('./jobs.ts')).output(setting, client, id, { ...selection, raw })
        },
      ),
    )
  program
    .command('watch')
    .addArgument(jobsArgument())
    .description('follow jobs live until all have ended; 1 unless all are Done')
    .action((ids: readonly number[], _options: object, command: Command) =>
      withService(choose, command, async (setting, client, options) =>
        (await import('./watch.ts')).followToEnd(setting, client, ids, options),
      ),
    )
}
