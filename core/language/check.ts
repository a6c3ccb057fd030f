/**
 * From what a user wrote to a job description: checked whole, defaults filled in, nothing clamped.
 *
 * Every wrong field is told with its path, its value, the rule and what would be accepted. Zero and empty mean "not given",
 * as on the wire. Refuses to know where the description came from.
 */

import { shown, type Violation } from '../kernel/errors.ts'
import type { JobSpec } from '../model/job.ts'
import { jobDefaults, jobLimits } from '../kernel/limits.ts'
import { bytesText, durationText } from '../kernel/quantities.ts'
import type { Names, Requirements } from '../model/requirements.ts'
import { beginningOf, isPlainText, isProgramText, plainTextForm, isName } from '../kernel/text.ts'

/** As it arrives: every field there, nothing checked. */
export type RawRequirements = {
  readonly cores?: { readonly min: number; readonly max: number }
  readonly memoryBytes: number
  readonly diskBytes: number
  readonly wallMs: number
  readonly platforms: readonly string[]
  readonly sites?: Names
  readonly clouds?: Names
  readonly tags: readonly string[]
}

export type RawSpec = {
  readonly name: string
  readonly executable: string
  readonly arguments: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  readonly requirements?: RawRequirements
  readonly priority: number
  readonly maxAttempts: number
}

type Tell = (path: string, value: unknown, rule: string, accepted: string) => void

/** The description, or undefined where something was told. */
export function checkSpec(raw: RawSpec, path: string, violations: Violation[]): JobSpec | undefined {
  const before = violations.length
  const tell: Tell = (field, value, rule, accepted) => {
    violations.push({ path: `${path}.${field}`, value: shown(value), rule, accepted })
  }
  checkCommand(raw, tell)
  checkEnvironment(raw.environment, tell)
  const requirements = checkRequirements(raw.requirements, tell)
  const priority = within(raw.priority, 0, jobLimits.priority, 'priority', tell)
  const maxAttempts = within(raw.maxAttempts || jobDefaults.attempts, 1, jobLimits.attempts, 'maxAttempts', tell)
  const spec: JobSpec = {
    name: raw.name || baseName(raw.executable),
    executable: raw.executable,
    arguments: raw.arguments,
    environment: raw.environment,
    requirements,
    priority,
    maxAttempts,
  }
  if (listsOf(requirements) > jobLimits.requirementListBytes) {
    const accepted = `names of at most ${bytesText(jobLimits.requirementListBytes)} in all`
    tell('requirements', `names of ${listsOf(requirements)} bytes`, 'too large', accepted)
  }
  if (sizeOf(spec) > jobLimits.specBytes)
    tell('arguments', `${sizeOf(spec)} bytes`, 'too large', `at most ${bytesText(jobLimits.specBytes)} in all`)
  return violations.length === before ? spec : undefined
}

function checkCommand(raw: RawSpec, tell: Tell): void {
  const { nameLength, pathLength, argumentLength } = jobLimits
  if (raw.name.length > nameLength || !isPlainText(raw.name)) {
    tell('name', raw.name, 'not a name', `at most ${nameLength} ${plainTextForm}`)
  }
  if (raw.executable === '') tell('executable', '', 'missing', 'a path or the name of a program')
  if (raw.executable.length > pathLength || !isPlainText(raw.executable)) {
    tell('executable', raw.executable, 'not a path', `at most ${pathLength} ${plainTextForm}`)
  }
  if (raw.arguments.length > jobLimits.arguments) {
    tell('arguments', `${raw.arguments.length} arguments`, 'too many', `at most ${jobLimits.arguments}`)
  }
  raw.arguments.slice(0, jobLimits.arguments).forEach((argument, at) => {
    if (argument.length > argumentLength || !isProgramText(argument)) {
      tell(`arguments[${at}]`, argument, 'not an argument', `at most ${argumentLength} characters, none of them zero`)
    }
  })
}

/** PILOTAGE_ is the pilot's own. A variable __proto__ would be lost in every object that is made by assignment. */
export function isVariableName(name: string): boolean {
  const isShaped = /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && name.length <= jobLimits.environmentNameLength
  return isShaped && !name.startsWith('PILOTAGE_') && name !== '__proto__'
}

function checkEnvironment(environment: RawSpec['environment'], tell: Tell): void {
  const entries = Object.entries(environment)
  if (entries.length > jobLimits.environment) {
    tell('environment', `${entries.length} variables`, 'too many', `at most ${jobLimits.environment}`)
  }
  for (const [name, value] of entries.slice(0, jobLimits.environment)) {
    if (!isVariableName(name)) {
      tell(
        `environment.${shown(name)}`,
        name,
        'not a variable name',
        'letters, digits and _, not beginning with a digit or PILOTAGE_, not __proto__',
      )
    }
    if (value.length > jobLimits.environmentValueLength || !isProgramText(value)) {
      const accepted = `at most ${jobLimits.environmentValueLength} characters, none of them zero`
      tell(`environment.${shown(name)}`, value, 'not a value', accepted)
    }
  }
}

function checkRequirements(raw: RawRequirements | undefined, tellSpec: Tell): Requirements {
  const tell: Tell = (field, ...rest) => tellSpec(`requirements.${field}`, ...rest)
  const min = within(raw?.cores?.min || jobDefaults.cores, 1, jobLimits.cores, 'cores.min', tell)
  const max = within(raw?.cores?.max || min, 1, jobLimits.cores, 'cores.max', tell)
  if (max < min) tell('cores.max', max, 'below cores.min', `at least ${min}`)
  const { leastMemoryBytes, memoryBytes, diskBytes, leastWallMs, wallMs } = jobLimits
  return {
    cores: { min, max },
    memoryBytes: within(
      raw?.memoryBytes || jobDefaults.memoryBytes,
      leastMemoryBytes,
      memoryBytes,
      'memoryBytes',
      tell,
      bytesText,
    ),
    diskBytes: within(raw?.diskBytes || jobDefaults.diskBytes, 1, diskBytes, 'diskBytes', tell, bytesText),
    wallMs: within(raw?.wallMs || jobDefaults.wallMs, leastWallMs, wallMs, 'wallMs', tell, durationText),
    platforms: checkNames(raw?.platforms ?? [], 'platforms', tell),
    sites: checkAllowed(raw?.sites, 'sites', tell),
    clouds: checkAllowed(raw?.clouds, 'clouds', tell),
    tags: checkNames(raw?.tags ?? [], 'tags', tell),
  }
}

function checkAllowed(names: Names | undefined, path: string, tell: Tell): Names {
  const allowed = checkNames(names?.allowed ?? [], `${path}.allowed`, tell)
  const banned = checkNames(names?.banned ?? [], `${path}.banned`, tell)
  if (allowed.length > 0 && allowed.every((name) => banned.includes(name))) {
    tell(path, allowed.join(', '), 'allowed and banned cancel out', 'at least one allowed name that is not banned')
  }
  return { allowed, banned }
}

function checkNames(values: readonly string[], path: string, tell: Tell): readonly string[] {
  if (values.length > jobLimits.names) {
    tell(path, `${values.length} names`, 'too many', `at most ${jobLimits.names}`)
    return []
  }
  values.forEach((value, at) => {
    if (!isName(value)) {
      const accepted = `1 to ${jobLimits.nameInListLength} letters, digits and . _ : / + -`
      tell(`${path}[${at}]`, value, 'not a name', accepted)
    }
  })
  return values
}

function within(
  value: number,
  least: number,
  most: number,
  path: string,
  tell: Tell,
  show: (value: number) => string = String,
): number {
  if (!Number.isSafeInteger(value) || value < least || value > most) {
    tell(path, value, 'out of range', `a whole number from ${show(least)} to ${show(most)}`)
    return least
  }
  return value
}

function sizeOf({ executable, arguments: words, environment, requirements }: JobSpec): number {
  const variables = Object.entries(environment).reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  return executable.length + variables + lengthOf(words) + listsOf(requirements)
}

/** What the lists of requirements hold: each task queue keeps them, in the memory of every process. */
function listsOf({ platforms, sites, clouds, tags }: Requirements): number {
  return lengthOf([platforms, sites.allowed, sites.banned, clouds.allowed, clouds.banned, tags].flat())
}

function lengthOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length, 0)
}

function baseName(path: string): string {
  return beginningOf(path.slice(path.lastIndexOf('/') + 1), jobLimits.nameLength)
}
