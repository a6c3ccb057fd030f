/**
 * The fields of a job as a user writes them: which there are, what each accepts, and what each becomes on the wire.
 *
 * Nothing is clamped and nothing is guessed: a number where a text is wanted is refused, because 010 and 1.0 would silently
 * change. Zero and empty mean "the default" on the wire, so a zero that a user writes where one is wanted is refused here.
 * The service checks everything again; what only it can know (sites, clouds) is not asked here.
 */

import { isName, isPlainText, isProgramText, plainTextForm } from '../core/kernel/text.ts'
import { isVariableName } from '../core/language/check.ts'
import { jobLimits } from '../core/kernel/limits.ts'
import { bytesText, durationText, bytesForms, durationForms, parseBytes, parseDuration } from '../core/kernel/quantities.ts'
import { Cores, JobSpec, Names, Requirements } from '../proto/gen/pilotage/v1/job.ts'
import { nearest, type Violations } from '../core/kernel/violations.ts'

type Draft = { readonly spec: JobSpec; readonly needs: Requirements }
type Field = (value: unknown, path: string, draft: Draft, wrong: Violations) => void

const leastByte = 1

const fields: Readonly<Record<string, Field>> = {
  name(value, path, { spec }, wrong) {
    spec.name = line(value, path, jobLimits.nameLength, wrong)
  },
  executable(value, path, { spec }, wrong) {
    spec.executable = line(value, path, jobLimits.pathLength, wrong)
  },
  arguments(value, path, { spec }, wrong) {
    spec.arguments = texts(value, path, { most: jobLimits.arguments, length: jobLimits.argumentLength, empty: true }, wrong)
  },
  environment(value, path, { spec }, wrong) {
    spec.environment = environment(value, path, wrong)
  },
  cores(value, path, { needs }, wrong) {
    needs.cores = cores(value, path, wrong)
  },
  memory(value, path, { needs }, wrong) {
    needs.memoryBytes = bytes(value, path, jobLimits.leastMemoryBytes, jobLimits.memoryBytes, wrong)
  },
  disk(value, path, { needs }, wrong) {
    needs.diskBytes = bytes(value, path, leastByte, jobLimits.diskBytes, wrong)
  },
  wallTime(value, path, { needs }, wrong) {
    needs.wallMs = duration(value, path, wrong)
  },
  platforms(value, path, { needs }, wrong) {
    needs.platforms = nameList(value, path, wrong)
  },
  sites(value, path, { needs }, wrong) {
    needs.sites = names(value, path, wrong)
  },
  clouds(value, path, { needs }, wrong) {
    needs.clouds = names(value, path, wrong)
  },
  tags(value, path, { needs }, wrong) {
    needs.tags = nameList(value, path, wrong)
  },
  priority(value, path, { spec }, wrong) {
    spec.priority = integer(value, path, 0, jobLimits.priority, wrong)
  },
  maxAttempts(value, path, { spec }, wrong) {
    spec.maxAttempts = integer(value, path, 1, jobLimits.attempts, wrong)
  },
}

export const fieldNames: readonly string[] = Object.keys(fields)

/** One job; what is wrong with it goes to `wrong` with its path. */
export function checkJob(value: unknown, path: string, wrong: Violations): JobSpec {
  const needs = Requirements.fromPartial({})
  const spec = JobSpec.fromPartial({})
  if (!isMapping(value)) {
    wrong.add(path, value, 'a job is a mapping', 'executable: /bin/echo, arguments: [hello]')
    return spec
  }
  for (const [key, given] of Object.entries(value)) {
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined
    if (field) field(given, join(path, key), { spec, needs }, wrong)
    else unknownKey(join(path, key), key, given, fieldNames, wrong)
  }
  if (!Object.hasOwn(value, 'executable')) {
    wrong.add(
      join(path, 'executable'),
      undefined,
      'every job has one',
      `a path or a name, at most ${jobLimits.pathLength} characters`,
    )
  }
  return { ...spec, requirements: needs }
}

function text(value: unknown, path: string, length: number, wrong: Violations, empty = false): string | undefined {
  const least = empty ? 0 : 1
  const good = typeof value === 'string' && value.length >= least && value.length <= length && isProgramText(value)
  if (good) return value
  const quoted = typeof value === 'number' || typeof value === 'boolean' ? ': put it in quotes' : ''
  wrong.add(path, value, `a text${quoted}`, `${least} to ${length} characters, none of them NUL`)
  return undefined
}

/** A text that people read on one line. */
function line(value: unknown, path: string, length: number, wrong: Violations): string {
  const read = text(value, path, length, wrong) ?? ''
  if (!isPlainText(read)) wrong.add(path, value, 'a text without hidden characters', `1 to ${length} ${plainTextForm}`)
  return read
}

type ListRule = { readonly most: number; readonly length: number; readonly empty: boolean }

function texts(value: unknown, path: string, { most, length, empty }: ListRule, wrong: Violations): string[] {
  if (!Array.isArray(value) || value.length > most) {
    wrong.add(path, value, `a list of at most ${most} texts`, '[first, second]')
    return []
  }
  return value.map((item, index) => text(item, `${path}[${index}]`, length, wrong, empty) ?? '')
}

function nameList(value: unknown, path: string, wrong: Violations): string[] {
  const listed = texts(value, path, { most: jobLimits.names, length: jobLimits.nameInListLength, empty: false }, wrong)
  for (const [index, name] of listed.entries()) {
    if (name === '' || isName(name)) continue
    wrong.add(`${path}[${index}]`, name, 'a name', `1 to ${jobLimits.nameInListLength} letters, digits and . _ : / + -`)
  }
  return listed
}

function names(value: unknown, path: string, wrong: Violations): Names {
  if (!isMapping(value)) return Names.fromPartial({ allowed: nameList(value, path, wrong) })
  const made = Names.fromPartial({})
  for (const [key, given] of Object.entries(value)) {
    if (key === 'allowed') made.allowed = nameList(given, join(path, key), wrong)
    else if (key === 'banned') made.banned = nameList(given, join(path, key), wrong)
    else unknownKey(join(path, key), key, given, ['allowed', 'banned'], wrong)
  }
  return made
}

function environment(value: unknown, path: string, wrong: Violations): Record<string, string> {
  if (!isMapping(value) || Object.keys(value).length > jobLimits.environment) {
    wrong.add(path, value, `a mapping of at most ${jobLimits.environment} names to texts`, 'NAME: "text"')
    return {}
  }
  const entries = Object.entries(value).map(([name, given]) => {
    const at = join(path, name)
    if (!isVariableName(name)) {
      const accepted = `1 to ${jobLimits.environmentNameLength} characters, no digit first, not PILOTAGE_..., not __proto__`
      wrong.add(at, name, 'a name of letters, digits and _', accepted)
    }
    return [name, text(given, at, jobLimits.environmentValueLength, wrong, true) ?? '']
  })
  return Object.fromEntries(entries)
}

function cores(value: unknown, path: string, wrong: Violations): Cores {
  if (!isMapping(value)) return Cores.fromPartial({ min: integer(value, path, 1, jobLimits.cores, wrong) })
  const made = Cores.fromPartial({})
  for (const [key, given] of Object.entries(value)) {
    if (key === 'min') made.min = integer(given, join(path, key), 1, jobLimits.cores, wrong)
    else if (key === 'max') made.max = integer(given, join(path, key), 1, jobLimits.cores, wrong)
    else unknownKey(join(path, key), key, given, ['min', 'max'], wrong)
  }
  if (made.max !== 0 && made.max < Math.max(1, made.min)) {
    wrong.add(join(path, 'max'), made.max, 'not below min', `${Math.max(1, made.min)} to ${jobLimits.cores}`)
  }
  return made
}

function integer(value: unknown, path: string, least: number, most: number, wrong: Violations): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  wrong.add(path, value, 'a whole number', `${least} to ${most}`)
  return 0
}

function bytes(value: unknown, path: string, least: number, most: number, wrong: Violations): number {
  const parsed = typeof value === 'string' ? parseBytes(value) : undefined
  const range = `${bytesText(least)} to ${bytesText(most)}`
  if (parsed === undefined) wrong.add(path, value, 'a size in whole bytes', `${bytesForms}; ${range}`)
  else if (parsed < least || parsed > most) wrong.add(path, value, 'a size within limits', range)
  else return parsed
  return 0
}

function duration(value: unknown, path: string, wrong: Violations): number {
  const parsed = typeof value === 'string' ? parseDuration(value) : undefined
  const range = `${durationText(jobLimits.leastWallMs)} to ${durationText(jobLimits.wallMs)}`
  if (parsed === undefined) wrong.add(path, value, 'a duration in whole milliseconds', `${durationForms}; ${range}`)
  else if (parsed < jobLimits.leastWallMs || parsed > jobLimits.wallMs)
    wrong.add(path, value, 'a duration within limits', range)
  else return parsed
  return 0
}

function unknownKey(path: string, key: string, given: unknown, known: readonly string[], wrong: Violations): void {
  const meant = nearest(key, known)
  wrong.add(path, given, 'no such field', meant === undefined ? known.join(', ') : `${meant}, perhaps`)
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function join(path: string, key: string): string {
  const safe = key.length <= 60 ? key : `${key.slice(0, 57)}...`
  return path === '' ? safe : `${path}.${safe}`
}
