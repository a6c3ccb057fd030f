/**
 * A job as JDL, which `importJdl` reads back as the same job. What DIRAC has an attribute for is written with it, if that is
 * exact; the rest as `Pilotage.FIELD`. Fields that have their default are left out where both sides agree on it.
 */

import type { JobSpec } from '../../model/job.ts'
import { writeJob } from '../document.ts'
import { jdlMark } from './parameters.ts'
import { joinWords } from './words.ts'

/** DIRAC's attribute for a field, and its value; undefined: it cannot say this value. */
type Written = readonly (readonly [string, string])[] | undefined

const gigabyte = 1000 ** 3

const attributes: Readonly<Record<string, (spec: JobSpec) => Written>> = {
  name: ({ name }) => [['JobName', quotedText(name)]],
  jobGroup: ({ jobGroup }) => [['JobGroup', quotedText(jobGroup)]],
  jobType: ({ jobType }) => (jobType === 'User' ? undefined : [['JobType', quotedText(jobType)]]),
  executable: ({ executable }) => [['Executable', quotedText(executable)]],
  arguments: ({ arguments: words }) => [['Arguments', quotedText(joinWords(words))]],
  environment: ({ environment }) => [
    ['ExecutionEnvironment', listText(Object.entries(environment).map(([name, value]) => `${name}=${value}`))],
  ],
  priority: ({ priority }) => [['Priority', String(priority)]],
  cpuWork({ requirements: { cpuWorkMs = 0 } }) {
    return cpuWorkMs % 1000 === 0 ? [['CPUTime', String(cpuWorkMs / 1000)]] : undefined
  },
  wholeNode: () => [['WholeNode', 'true']],
  memory: ({ requirements }) =>
    requirements.memoryBytes % gigabyte === 0 ? [['MaxRAM', String(requirements.memoryBytes / gigabyte)]] : undefined,
  cores({ requirements }) {
    const { min, max } = requirements.cores
    if (min === max) return [['NumberOfProcessors', String(min)]]
    return [
      ['MinNumberOfProcessors', String(min)],
      ['MaxNumberOfProcessors', String(max)],
    ]
  },
  platforms: ({ requirements }) => [['Platform', listText(requirements.platforms)]],
  sites({ requirements }) {
    const { allowed, banned } = requirements.sites
    const all: (readonly [string, string])[] = []
    if (allowed.length > 0) all.push(['Site', listText(allowed)])
    if (banned.length > 0) all.push(['BannedSites', listText(banned)])
    return all
  },
  clouds: ({ requirements }) =>
    requirements.clouds.banned.length === 0 ? [['GridCE', listText(requirements.clouds.allowed)]] : undefined,
  tags: ({ requirements }) => (requirements.tags.some(isSpecialTag) ? undefined : [['Tags', listText(requirements.tags)]]),
}

/** One record. */
export function printJdl(spec: JobSpec): string {
  const lines = Object.entries(writeJob(spec)).flatMap(([name, value]) => {
    // DIRAC puts the id of the job there: what is no mark of ours is written so that it stays.
    const isMarked = spec.jobIdMark === jdlMark && (name === 'arguments' || name === 'environment')
    const written = JSON.stringify(value).includes(jdlMark) && !isMarked ? undefined : attributes[name]?.(spec)
    return written ?? [[`Pilotage.${name}`, valueText(value)] as const]
  })
  return `[\n${lines.map(([name, value]) => `  ${name} = ${value};\n`).join('')}]\n`
}

/** DIRAC gives these tags a meaning of their own. */
function isSpecialTag(tag: string): boolean {
  return /^\d+(?:Processors|GB)$|^MultiProcessor$|^WholeNode$/.test(tag)
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return `{${value.map(valueText).join(', ')}}`
  if (typeof value === 'object' && value !== null)
    return `[ ${Object.entries(value)
      .map(([name, own]) => `${name} = ${valueText(own)};`)
      .join(' ')} ]`
  return typeof value === 'string' ? quotedText(value) : String(value)
}

function listText(items: readonly string[]): string {
  return `{${items.map(quotedText).join(', ')}}`
}

function quotedText(text: string): string {
  const escaped = text.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')
  return `"${escaped}"`
}
