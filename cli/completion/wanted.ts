/**
 * What may stand next on a command line: read from the commands themselves, so that a new command or option needs nothing
 * here. What only a service or a file knows (jobs, VMs, images, contexts) is named, not fetched. Pure.
 */

import type { Argument, Command, Option } from 'commander'
import { type JobStateName, jobStates } from '../../core/model/job.ts'

export type Candidate = { readonly text: string; readonly about: string }

/** `states`: only jobs in these. */
export type Asked =
  | { readonly kind: 'jobs'; readonly states: readonly JobStateName[] | undefined }
  | { readonly kind: 'vms' | 'images' | 'contexts' }

export type Wanted = {
  /** Those that begin with the word as far as it is typed. */
  readonly candidates: readonly Candidate[]
  readonly ask?: Asked
  /** The shell completes names of files. */
  readonly files?: boolean
  /** Of the options of the whole program, what the line gives already. */
  readonly given: Readonly<Record<string, string>>
}

const nothing = { candidates: [] } as const
const ended: readonly JobStateName[] = ['Done', 'Failed', 'Killed']
const open = jobStates.filter((state) => !ended.includes(state))
/** What a command can do something to. */
const statesFor: Readonly<Record<string, readonly JobStateName[]>> = {
  kill: open,
  prioritise: open,
  delete: ended,
  hold: ['Waiting', 'Blocked'],
  release: ['Held'],
  peek: ['Matched', 'Running', 'Completing'],
}

type Walk = {
  readonly command: Command
  /** How many arguments of the command stand there. */
  readonly position: number
  /** Takes the next word as its value. */
  readonly open: Option | undefined
  readonly isAfterDashes: boolean
  readonly given: Readonly<Record<string, string>>
}

/** `words`: all behind the program's name; the last one is being typed, and may be empty. */
export function wantedAt(program: Command, words: readonly string[]): Wanted {
  const typed = words.at(-1) ?? ''
  const { command, position, open, isAfterDashes, given } = walked(program, words.slice(0, -1))
  const beginning = (all: readonly Candidate[]): Wanted => ({
    candidates: all.filter(({ text }) => text.startsWith(typed)),
    given,
  })
  if (isAfterDashes) return { ...nothing, files: true, given }
  if (open && !(open.variadic && typed.startsWith('-'))) {
    if (open.argChoices) return beginning(named(open.argChoices))
    if (open.long === '--context') return { ...nothing, ask: { kind: 'contexts' }, given }
    return { ...nothing, files: /<(?:file|directory)>/.test(open.flags), given }
  }
  if (typed.startsWith('-')) return beginning(optionsOf(command).map(optionCandidate))
  const visible = command.createHelp().visibleCommands(command)
  if (position === 0 && visible.length > 0) {
    return beginning(visible.map((one) => ({ text: one.name(), about: one.description() })))
  }
  const args = command.registeredArguments
  const argument = args[Math.min(position, args.length - 1)]
  if (!argument || (position >= args.length && !argument.variadic)) return { ...nothing, given }
  if (argument.argChoices) return beginning(named(argument.argChoices))
  const ask = askedFor(command, argument)
  return ask ? { ...nothing, ask, given } : { ...nothing, files: true, given }
}

function walked(program: Command, before: readonly string[]): Walk {
  let walk: Walk = { command: program, position: 0, open: undefined, isAfterDashes: false, given: {} }
  for (const word of before) walk = walk.isAfterDashes ? walk : step(program, walk, word)
  return walk
}

function step(program: Command, walk: Walk, word: string): Walk {
  const { command, position, open, given } = walk
  if (word === '--') return { ...walk, open: undefined, isAfterDashes: true }
  if (word.startsWith('-') && word !== '-') {
    const [flag = '', value] = word.split(/=(.*)/s)
    const option = optionsOf(command).find(({ long, short }) => flag === long || flag === short)
    if (!option) return { ...walk, open: undefined }
    if (value !== undefined) return { ...walk, open: undefined, given: noted(program, given, option, value) }
    return { ...walk, open: option.required || option.optional ? option : undefined }
  }
  if (open) return { ...walk, open: open.variadic ? open : undefined, given: noted(program, given, open, word) }
  const below = position === 0 ? command.commands.find((one) => one.name() === word) : undefined
  return below ? { ...walk, command: below } : { ...walk, position: position + 1 }
}

function noted(program: Command, given: Walk['given'], option: Option, value: string): Walk['given'] {
  return program.options.includes(option) ? { ...given, [option.attributeName()]: value } : given
}

/** Its own, and those of the commands above it. */
function optionsOf(command: Command): readonly Option[] {
  return command.parent ? [...command.options, ...optionsOf(command.parent)] : command.options
}

function optionCandidate({ long, short, description }: Option): Candidate {
  return { text: long ?? short ?? '', about: description }
}

function named(texts: readonly string[]): readonly Candidate[] {
  return texts.map((text) => ({ text, about: '' }))
}

function askedFor(command: Command, argument: Argument): Asked | undefined {
  switch (argument.name()) {
    case 'job':
    case 'jobs':
      return { kind: 'jobs', states: statesFor[command.name()] }
    case 'vm':
      return { kind: 'vms' }
    case 'image':
      return { kind: 'images' }
    case 'context':
      return { kind: 'contexts' }
    default:
      return undefined
  }
}
