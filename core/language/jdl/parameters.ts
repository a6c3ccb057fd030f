/**
 * Parametric jobs: one record with Parameters becomes one record per value.
 *
 *   Parameters = { "a", "b" }              %s is each value
 *   Parameters = 5; ParameterStart = 1; ParameterStep = 2; ParameterFactor = 3
 *                                          next = last * Factor + Step; DIRAC's defaults are 1, 0 and 1
 *   Parameters.name = ...; ParameterStart.name = ...
 *                                          %(name)s is each value; all sequences have the same length
 *
 * %n is the number of the job, counted from 0 and padded with zeros. Replaced in every text, also within lists. A name that
 * has no sequence is refused. %j, the id of the job, stays in Arguments and ExecutionEnvironment, where it becomes the mark
 * of the job (core/language/job-id-mark.ts), and is refused elsewhere: the id is not known before the job is submitted.
 * Parameters whose values could make a %j of their own are refused beside it: no other text becomes a mark.
 */

import type { Violations } from '../../kernel/violations.ts'
import { type JdlAttribute, jdlBounds, type JdlRecord, jdlText, type JdlValue } from './parse.ts'

/** One job: its record without parameters, and its number; absent: the record had none. */
export type Expanded = { readonly record: JdlRecord; readonly number?: number; readonly hasJobId: boolean }

/** Characters of all jobs of one document together. */
const maxExpanded = 64 * 1024 * 1024
/** Attributes of all jobs of one document together: 10 000 jobs of 50. Each is read by itself. */
const maxAttributes = 500_000

const parameterName = /^(Parameters|ParameterStart|ParameterStep|ParameterFactor)(?:\.(\w+))?$/i
const placeholder = /%(?:\((\w*)\)s|([snj]))/g

type Sequence = { values?: JdlAttribute; start?: JdlAttribute; step?: JdlAttribute; factor?: JdlAttribute }

export function expandParameters(record: JdlRecord, wrong: Violations): readonly Expanded[] {
  const sequences = new Map<string, Sequence>()
  const own: JdlAttribute[] = []
  for (const attribute of record) {
    const [, part, name = ''] = parameterName.exec(attribute.name) ?? []
    if (part === undefined) {
      own.push(attribute)
      continue
    }
    const sequence = sequences.get(name) ?? {}
    sequence[parts[part.toLowerCase()] ?? 'values'] = attribute
    sequences.set(name, sequence)
  }
  const before = wrong.count()
  const known = new Map([...sequences].map(([name, sequence]) => [name, valuesOf(name, sequence, wrong)] as const))
  if (wrong.count() > before) return []
  const length = lengthOf(known, sequences, wrong)
  if (wrong.count() > before) return []
  const placed = placesIn(own, [...known.keys()], length !== undefined, wrong)
  if (wrong.count() > before) return []
  const hasJobId = placed.jobIds > 0
  if (length === undefined) return [{ record: own, hasJobId }]
  if (hasJobId) refuseLookalikes(own, [...known.values()].flat(), wrong)
  if (wrong.count() > before) return []
  if (length * own.length > maxAttributes) {
    const rule = 'the jobs have too many attributes together'
    wrong.add('Parameters', `${length} jobs of ${own.length} attributes`, rule, `at most ${maxAttributes} attributes in all`)
    return []
  }
  const width = String(length).length
  const longest = [...known.values()].flat().reduce((most, value) => Math.max(most, value.length), width)
  if (length * (placed.characters + placed.count * longest) > maxExpanded) {
    wrong.add('Parameters', `${length} jobs`, 'the jobs are too large together', `at most ${maxExpanded} characters in all`)
    return []
  }
  return Array.from({ length }, (_, number) => {
    const textFor = (name: string): string =>
      name === '%n' ? String(number).padStart(width, '0') : (known.get(name)?.[number] ?? '')
    return { record: own.map(({ value, ...rest }) => ({ ...rest, value: replaced(value, textFor) })), number, hasJobId }
  })
}

const parts: Readonly<Record<string, keyof Sequence>> = {
  parameters: 'values',
  parameterstart: 'start',
  parameterstep: 'step',
  parameterfactor: 'factor',
}

function valuesOf(name: string, { values, start, step, factor }: Sequence, wrong: Violations): readonly string[] {
  const title = name === '' ? 'Parameters' : `Parameters.${name}`
  const first = values ?? start ?? step ?? factor
  const at = `line ${first?.line ?? 1}: ${title}`
  if (!values) {
    wrong.add(at, '', 'a start, step or factor without values', 'a list, or a number of jobs')
    return []
  }
  const { value } = values
  if (value.kind === 'list') {
    if (value.items.length === 0) wrong.add(at, 'an empty list', 'no job', 'one value at least')
    const odd = [start, step, factor].find((one) => one !== undefined)
    if (odd) wrong.add(`line ${odd.line}: ${odd.name}`, jdlText(odd.value), 'a list has no start, step or factor', 'nothing')
    return value.items.map((item) => itemText(item, at, wrong))
  }
  const count = value.kind === 'number' ? value.value : Number.NaN
  if (!Number.isInteger(count) || count < 1 || count > jdlBounds.items) {
    wrong.add(at, jdlText(value), 'not a number of jobs', `a list, or a whole number from 1 to ${jdlBounds.items}`)
    return []
  }
  const [by, times] = [numberOf(step, 0, wrong), numberOf(factor, 1, wrong)]
  const made: string[] = []
  for (let next = numberOf(start, 1, wrong); made.length < count; next = next * times + by) made.push(String(next))
  const last = made.at(-1) ?? ''
  if (!Number.isFinite(Number(last))) wrong.add(at, last, 'the numbers grow beyond every bound', 'a smaller factor')
  return made
}

function itemText(item: JdlValue, at: string, wrong: Violations): string {
  switch (item.kind) {
    case 'list':
    case 'record':
      wrong.add(at, jdlText(item), 'not a value of a parameter', 'a text or a number')
      return ''
    case 'boolean':
      return String(item.value)
    default:
      return item.text
  }
}

function numberOf(attribute: JdlAttribute | undefined, fallback: number, wrong: Violations): number {
  if (!attribute) return fallback
  const { name, value, line } = attribute
  const given = value.kind === 'number' ? value.value : value.kind === 'text' && value.text !== '' ? Number(value.text) : NaN
  if (Number.isFinite(given)) return given
  wrong.add(`line ${line}: ${name}`, jdlText(value), 'not a number', 'a number')
  return fallback
}

/** Undefined: the record has no parameters. */
function lengthOf(
  known: ReadonlyMap<string, readonly string[]>,
  sequences: ReadonlyMap<string, Sequence>,
  wrong: Violations,
): number | undefined {
  const [first, ...others] = known
  if (!first) return undefined
  const [name, { length }] = first
  for (const [other, values] of others) {
    if (values.length === length) continue
    const rule = `${values.length} values, where ${name === '' ? 'Parameters' : `Parameters.${name}`} has ${length}`
    wrong.add(`line ${sequences.get(other)?.values?.line ?? 1}: Parameters.${other}`, '', rule, 'as many values in each')
  }
  return length
}

/** Every placeholder has its sequence. How many there are, and how long all texts are. */
function placesIn(
  record: JdlRecord,
  names: readonly string[],
  isParametric: boolean,
  wrong: Violations,
): { readonly count: number; readonly characters: number; readonly jobIds: number } {
  let count = 0
  let jobIds = 0
  let characters = 0
  for (const { name, value, line } of record) {
    for (const text of textsOf(value)) {
      characters += text.length
      for (const [whole, named, letter] of text.matchAll(placeholder)) {
        count += 1
        const at = `line ${line}: ${name}`
        if (letter === 'j') {
          if (isOurs(name) || namesStream.test(name)) continue
          if (takesJobId.test(name)) jobIds += 1
          else {
            const accepted = 'Arguments and ExecutionEnvironment, where it is replaced when the job starts'
            wrong.add(at, whole, 'the id of a job is not known before it is submitted', accepted)
          }
        } else if (isParametric && letter !== 'n' && !names.includes(named ?? '')) {
          const accepted = names.map((one) => (one === '' ? '%s' : `%(${one})s`)).join(', ')
          wrong.add(at, whole, 'no such parameter', `%n, ${accepted}`)
        }
      }
    }
  }
  return { count, characters, jobIds }
}

/** What a job has in place of its id. */
export const jdlMark = '%j'

/** Attributes in which it is replaced when the job starts; and the names of stdout and stderr, which are kept under ours. */
const takesJobId = /^(?:Arguments|ExecutionEnvironment)$/i
const namesStream = /^(?:StdOutput|StdError)$/i

/** Values that hold a %j or end with its beginning, and a percent sign that a value could go on from. */
function refuseLookalikes(record: JdlRecord, values: readonly string[], wrong: Violations): void {
  const odd = values.find((value) => value.includes('%j') || value.endsWith('%'))
  if (odd !== undefined)
    wrong.add('Parameters', odd, 'a value that could be taken for %j', 'values without %j, not ending with %')
  for (const { name, value, line } of record) {
    if (!takesJobId.test(name)) continue
    const text = [...textsOf(value)].find((one) => /%%(?:\(\w*\)s|[sn])/.test(one))
    if (text !== undefined)
      wrong.add(`line ${line}: ${name}`, text, 'a % before a parameter could become a %j', 'no % there')
  }
}

/** A field of ours: only parameters are replaced in it. */
function isOurs(name: string): boolean {
  return /^pilotage\./i.test(name)
}

function* textsOf(value: JdlValue): Generator<string> {
  if (value.kind === 'list') for (const item of value.items) yield* textsOf(item)
  else if (value.kind === 'text' || value.kind === 'word' || value.kind === 'expression') yield value.text
}

function replaced(value: JdlValue, textFor: (name: string) => string): JdlValue {
  switch (value.kind) {
    case 'list':
      return { ...value, items: value.items.map((item) => replaced(item, textFor)) }
    case 'text':
    case 'word':
    case 'expression':
      return {
        ...value,
        text: value.text.replace(placeholder, (whole, named?: string, letter?: string) =>
          letter === 'j' ? whole : textFor(letter === 'n' ? '%n' : (named ?? '')),
        ),
      }
    default:
      return value
  }
}
