/**
 * The program: all commands, the options that all have, and what becomes of errors. Each noun or verb adds its own commands;
 * what a command needs beyond text is loaded when it runs, so that `--help` and a wrong option cost nothing.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { asPilotageError } from '../core/kernel/errors.ts'
import type { Choose, Run } from './action.ts'
import { numberBetween } from './arguments.ts'
import { addAccountingCommands } from './commands/accounting.ts'
import { addClusterCommands } from './commands/cluster.ts'
import { addCompletionCommands } from './commands/completion.ts'
import { addConfigCommands } from './commands/config.ts'
import { addContextCommands } from './commands/context.ts'
import { addCountCommands } from './commands/count.ts'
import { addDemoCommand } from './commands/demo.ts'
import { addFactsCommand } from './commands/facts.ts'
import { addImageCommands } from './commands/images.ts'
import { addShareCommands } from './commands/shares.ts'
import { addInspectCommands } from './commands/inspect.ts'
import { addJobDocumentCommands } from './commands/job-documents.ts'
import { addJobCommands } from './commands/jobs.ts'
import { addReplayCommand } from './commands/replay.ts'
import { addRunCommand } from './commands/run.ts'
import { addServeCommand } from './commands/serve.ts'
import { addSimulateCommand } from './commands/simulate.ts'
import { addSteerCommands } from './commands/steer.ts'
import { addStoreCommands } from './commands/store.ts'
import { addSubmitCommand } from './commands/submit.ts'
import { addTokenCommands } from './commands/tokens.ts'
import { addVmCommands } from './commands/vms.ts'
import { addWatchCommand } from './commands/watch.ts'
import { refusalJson, refusalText } from './output/refusal.ts'
import { safeTerminal, type Terminal } from './output/terminal.ts'
import { defaultPatienceSeconds, type ExitCode, type Setting } from './setting.ts'

const wrongUsage = 2 satisfies ExitCode
const maxPatienceSeconds = 86_400

/** `argv` without the program's own name. Answers the exit code; never throws. */
export async function runCommand(argv: readonly string[], given: Setting): Promise<ExitCode> {
  const terminal = safeTerminal(given.terminal)
  const setting = { ...given, terminal }
  const help: string[] = []
  let chosen: Run | undefined
  const choose = (run: Run): void => {
    chosen = run
  }
  try {
    buildProgram(choose, terminal, (text) => help.push(text)).parse([...argv], { from: 'user' })
    if (chosen) return await chosen(setting)
    return wrongUsage
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      await terminal.write(help.join(''))
      return thrown.exitCode === 0 ? 0 : wrongUsage
    }
    const error = asPilotageError(thrown, 'running the command')
    // The user ended the command, or closed the pipe that it writes to: no message.
    if (given.signal.aborted && error.code === 'cancelled') return 'signal'
    terminal.say(argv.includes('--json') ? refusalJson(error) : refusalText(error))
    return 1
  }
}

/**
 * Errors come as exceptions, help as text: the process is not this function's to end. Commands inherit what is set before.
 */
function buildProgram(choose: Choose, terminal: Terminal, writeOut: (text: string) => void): Command {
  const program = new Command('pilotage')
    .description('Submit jobs to Pilotage, follow them, and operate the service and the VMs that run them.')
    .option(
      '--server <host:port>',
      'address of the service, several with commas between (default: PILOTAGE_SERVER, else the context, else 127.0.0.1:7400)',
    )
    .option(
      '--token-file <file>',
      'file with your token (default: PILOTAGE_TOKEN_FILE, else of the context, else ./pilotage-data/admin.token)',
    )
    .option(
      '--ca-file <file>',
      'certificate authority of the service, required beyond this machine (default: PILOTAGE_CA_FILE, else of the context)',
    )
    .option('--context <name>', 'service, token and CA of this context (default: the current one, see config get-contexts)')
    .option(
      '--patience <seconds>',
      `how long to retry while the service is unreachable (default: ${defaultPatienceSeconds})`,
      numberBetween(0, maxPatienceSeconds, false),
    )
    .option('--json', 'print JSON (JSON Lines for lists)')
    .version(version(), '--version', 'print the version')
    .helpOption('-h, --help', 'print help for the command')
    .helpCommand('help [command]', 'print help for a command')
    .showHelpAfterError('(see --help)')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
    .configureOutput({ writeOut, writeErr: (text) => terminal.say(text.trimEnd()) })

  program.commandsGroup('Jobs:')
  addSubmitCommand(program, choose)
  addRunCommand(program, choose)
  addJobCommands(program, choose)
  addCountCommands(program, choose)
  addSteerCommands(program, choose)
  addInspectCommands(program, choose)
  addJobDocumentCommands(program, choose)
  addWatchCommand(program, choose)
  program.commandsGroup('Operation:')
  addClusterCommands(program, choose)
  addVmCommands(program, choose)
  addImageCommands(program, choose)
  addAccountingCommands(program, choose)
  addShareCommands(program, choose)
  addTokenCommands(program, choose)
  program.commandsGroup('Service:')
  addServeCommand(program, choose)
  addConfigCommands(program, choose)
  addContextCommands(program, choose)
  addFactsCommand(program, choose)
  addStoreCommands(program, choose)
  addCompletionCommands(program, choose)
  program.commandsGroup('Trial:')
  addDemoCommand(program, choose)
  addReplayCommand(program, choose)
  addSimulateCommand(program, choose)
  return program
}

function version(): string {
  const read: unknown = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8'))
  return String((read as { version: unknown }).version)
}
