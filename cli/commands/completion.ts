/**
 * `pilotage completion SHELL`: the script that teaches a shell to complete; and `pilotage __complete`, which the
 * scripts call: what may stand next, numbers of jobs and names of VMs included.
 *
 * A user who types waits for it: the service is asked once and for a short time, and whatever goes wrong is no
 * candidate. Only words that no shell reads as anything else are given.
 */

import { Argument, type Command } from 'commander'
import type { PilotageClient } from '../../client/pilotage-client.ts'
import { visibleText } from '../../core/kernel/text.ts'
import { type Choose, withoutService } from '../action.ts'
import { type Asked, type Candidate, wantedAt } from '../completion/wanted.ts'
import { completionScripts, type Shell, shells } from '../completion/scripts.ts'
import { withClient } from '../connection.ts'
import { readContexts } from '../contexts.ts'
import type { CommonOptions, ExitCode, Setting } from '../setting.ts'

const askMs = 1500
const maxAsked = 50
const plainWord = /^[\w.:@/+=-]{1,200}$/

export function addCompletionCommands(program: Command, choose: Choose): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'your shell').choices(shells))
    .description('print a script that completes commands, options, states, and the numbers of jobs; needs no service')
    .configureHelp({ showGlobalOptions: false })
    .action(
      withoutService(choose, async ({ terminal }, _: CommonOptions, shell: Shell) => {
        await terminal.write(completionScripts[shell])
        return 0
      }),
    )
  program
    .command('__complete [words...]', { hidden: true })
    .description('print what may stand next, for the scripts of completion')
    .action(
      withoutService(choose, (setting, _: CommonOptions, words: readonly string[]) => complete(program, setting, words)),
    )
}

async function complete(program: Command, setting: Setting, words: readonly string[]): Promise<ExitCode> {
  const { candidates, ask, given } = wantedAt(program, words)
  const typed = words.at(-1) ?? ''
  const asked = ask ? await answersTo(setting, given as CommonOptions, ask).catch(() => []) : []
  const found = [...candidates, ...asked.filter(({ text }) => text.startsWith(typed))]
  const lines = found.filter(({ text }) => plainWord.test(text)).map(lineOf)
  await setting.terminal.write(lines.join(''))
  return 0
}

/** A tab in the second part would be one too many. */
function lineOf({ text, about }: Candidate): string {
  return `${text}\t${visibleText(about).replaceAll('\t', ' ')}\n`
}

async function answersTo(setting: Setting, given: CommonOptions, ask: Asked): Promise<readonly Candidate[]> {
  if (ask.kind === 'contexts') {
    const { contexts } = readContexts(setting)
    return Object.entries(contexts).map(([text, { server }]) => ({ text, about: server }))
  }
  const late = new AbortController()
  const timer = setting.clock.after(askMs, () => late.abort())
  const signal = AbortSignal.any([setting.signal, late.signal])
  let answers: readonly Candidate[] = []
  try {
    await withClient({ ...setting, signal }, { ...given, patience: 0 }, async (client) => {
      answers = await fromService(client, ask)
      return 0
    })
  } finally {
    timer.cancel()
  }
  return answers
}

async function fromService(client: PilotageClient, ask: Asked): Promise<readonly Candidate[]> {
  switch (ask.kind) {
    case 'jobs': {
      const found: Candidate[] = []
      for await (const { jobId, state, name } of client.list({ states: ask.states, limit: maxAsked }))
        found.push({ text: String(jobId), about: `${state} ${name}` })
      return found
    }
    case 'vms':
      return (await client.vms({ limit: maxAsked })).map(({ vmId, state, cloud }) => ({
        text: vmId,
        about: `${state} ${cloud}`,
      }))
    case 'images':
      return (await client.images()).map(({ name, state }) => ({ text: name, about: state }))
    case 'contexts':
      return []
  }
}
