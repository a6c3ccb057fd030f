/**
 * The field `after` of a job: which other jobs it waits for, as a document writes them and as the wire brings them. What
 * several jobs say together (names, cycles) is checked in dependency-graph.ts.
 */

import { isJobId } from '../kernel/ids.ts'
import { jobLimits, jobsPerCall } from '../kernel/limits.ts'
import { isPlainText, plainTextForm } from '../kernel/text.ts'
import { type Dependency, dependencyConditions, type DependencyTarget } from '../model/dependency.ts'
import { type FieldType, isMapping, type Refuse } from './field-types.ts'

const forms =
  'the id of a job, the name of a job of this submission, or { job: 17, when: ended } or { index: 0, when: failed }'
const conditionForms = dependencyConditions.join(', ')
const idForm = 'a whole number above 0'
const indexForm = `a whole number from 0 to ${jobsPerCall - 1}`
const nameForm = `1 to ${jobLimits.nameLength} ${plainTextForm}`

export function dependencies(): FieldType<readonly Dependency[]> {
  return {
    read(value, path, refuse) {
      if (!Array.isArray(value)) {
        refuse(path, value, 'not a list', `a list of these: ${forms}`)
        return undefined
      }
      const read = value.map((item, at) => readOne(item, `${path}[${at}]`, refuse))
      return read.every((one) => one !== undefined) ? read : undefined
    },
    write: (value) => (value.length > 0 ? value.map(writeOne) : undefined),
    check(raw, path, refuse) {
      if (raw.length > jobLimits.dependencies) {
        refuse(path, `${raw.length} dependencies`, 'too many', `at most ${jobLimits.dependencies}`)
        return []
      }
      for (const [at, one] of raw.entries()) checkOne(one, `${path}[${at}]`, refuse)
      return raw
    },
    empty: [],
    schema: { type: 'array', maxItems: jobLimits.dependencies, items: { anyOf: [idSchema, nameSchema, mappingSchema] } },
    documented: { fallback: 'none', min: '0', max: String(jobLimits.dependencies) },
  }
}

const idSchema = { type: 'integer', minimum: 1 }
const nameSchema = { type: 'string', minLength: 1, maxLength: jobLimits.nameLength }
const mappingSchema = {
  type: 'object',
  properties: {
    job: { anyOf: [idSchema, nameSchema] },
    index: { type: 'integer', minimum: 0, maximum: jobsPerCall - 1 },
    when: { enum: dependencyConditions },
  },
  oneOf: [{ required: ['job'] }, { required: ['index'] }],
  additionalProperties: false,
}

function readOne(value: unknown, path: string, refuse: Refuse): Dependency | undefined {
  if (!isMapping(value)) {
    const target = readJob(value, path, refuse)
    return target && { ...target, when: 'ok' }
  }
  const { job, index, when = 'ok', ...others } = value
  const [other] = Object.keys(others)
  if (other !== undefined) refuse(`${path}.${other.slice(0, 60)}`, others[other], 'no such field', 'job or index, and when')
  const condition = dependencyConditions.find((one) => one === when)
  if (!condition) refuse(`${path}.when`, when, 'not a condition', conditionForms)
  if ((job === undefined) === (index === undefined)) refuse(path, value, 'names one job: job or index', forms)
  const target = index === undefined ? readJob(job, `${path}.job`, refuse) : readIndex(index, `${path}.index`, refuse)
  const isGood = other === undefined && (job === undefined) !== (index === undefined)
  return isGood && target && condition ? { ...target, when: condition } : undefined
}

function readJob(value: unknown, path: string, refuse: Refuse): DependencyTarget | undefined {
  if (typeof value === 'string') return { name: value }
  if (typeof value === 'number' && isJobId(value)) return { job: value }
  if (value !== undefined) refuse(path, value, 'not a job', forms)
  return undefined
}

function readIndex(value: unknown, path: string, refuse: Refuse): DependencyTarget | undefined {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return { index: value }
  refuse(path, value, 'not a position in the submission', indexForm)
  return undefined
}

function writeOne(one: Dependency): unknown {
  const { when } = one
  if ('index' in one) return when === 'ok' ? { index: one.index } : { index: one.index, when }
  const job = jobOf(one)
  return when === 'ok' ? job : { job, when }
}

function jobOf(target: DependencyTarget): string | number {
  if ('job' in target) return target.job
  if ('name' in target) return target.name
  throw new Error('assertion failed: a stored dependency is written by its job id')
}

function checkOne(one: Dependency, path: string, refuse: Refuse): void {
  if (!dependencyConditions.includes(one.when)) refuse(`${path}.when`, one.when, 'not a condition', conditionForms)
  if ('job' in one && !isJobId(one.job)) refuse(path, one.job, 'not a job id', idForm)
  if ('index' in one && !(Number.isSafeInteger(one.index) && one.index >= 0 && one.index < jobsPerCall)) {
    refuse(path, one.index, 'not a position in the submission', indexForm)
  }
  if (!('name' in one)) return
  if (one.name === '') refuse(path, one.name, 'names no job', forms)
  else if (one.name.length > jobLimits.nameLength || !isPlainText(one.name)) refuse(path, one.name, 'not a name', nameForm)
}
