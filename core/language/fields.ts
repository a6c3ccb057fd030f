/**
 * The fields of a job: the one table of what a user may ask for. The document parser, the check of the wire, the rules of
 * the matcher, the documentation (docs/jobs.md) and the table of DIRAC's names come from it.
 *
 * A field that is a requirement says under which key of the requirements its value stands; the others stand in the job
 * itself.
 */

import { dependencies } from './dependency-field.ts'
import { jobIdMark } from './job-id-mark.ts'
import { jobDefaults, jobLimits } from '../kernel/limits.ts'
import type { JobSpec } from '../model/job.ts'
import type { PlaceRequirements, Requirements } from '../model/requirements.ts'
import type { Amount } from '../model/resources.ts'
import {
  allowedNames,
  amount,
  type AmountType,
  count,
  type FieldType,
  line,
  nameList,
  range,
  texts,
  variables,
} from './field-types.ts'
import { alternatives } from './alternatives.ts'
import { gpus } from './gpu-type.ts'
import { askedAmount, flag, minRate, minVersion, processor, someOf, system, tagExpression } from './trait-types.ts'
import { containerRuntimes } from '../model/traits.ts'
import { inputFileList, outputPatterns } from './sandbox-types.ts'

type Described = {
  /** The nearest attribute of DIRAC's JDL; absent: there is none. */
  readonly dirac?: string
  /** One sentence for the documentation. */
  readonly doc: string
}

type SpecKey = Exclude<keyof JobSpec, 'requirements'>

export type SpecField<Key extends SpecKey = SpecKey> = Described & { readonly type: FieldType<NonNullable<JobSpec[Key]>> }

/** `key`: of the requirements. `name`: in documents and configurations, and what explanations call it. */
export type RequirementField<Key extends keyof Requirements = keyof Requirements> = Described & {
  readonly name: string
  /** Not given beside this one, it is none of its own instead of its default. */
  readonly noneWith?: keyof Requirements
} & (Key extends Amount
    ? { readonly type: AmountType; readonly offered: Offered }
    : { readonly type: Key extends 'wallMs' ? AmountType : FieldType<Requirements[Key]> })

/** How much of it a flavor may have. `fallback`: where its configuration does not say; absent: it must. */
export type Offered = { readonly min: number; readonly max: number; readonly fallback?: number }

export const specFields: { readonly [Key in SpecKey]-?: SpecField<Key> } = {
  name: {
    type: line({ max: jobLimits.nameLength, rule: 'not a name', fallback: "the executable's" }),
    dirac: 'JobName',
    doc: 'for people; need not be unique. Printable characters: no controls, direction marks or invisible ones',
  },
  jobGroup: {
    type: line({ max: jobLimits.labelLength, rule: 'not a job group', fallback: 'none' }),
    dirac: 'JobGroup',
    doc: 'jobs that people look at and steer together: a filter of every listing and of bulk work. Changes nothing in matching',
  },
  jobType: {
    type: line({ max: jobLimits.labelLength, rule: 'not a job type', fallback: 'none' }),
    dirac: 'JobType',
    doc: 'the kind of work, as `MCSimulation`: a filter as `jobGroup`. Changes nothing in matching',
  },
  executable: {
    type: line({ max: jobLimits.pathLength, rule: 'not a path', fallback: 'needed', isNeeded: true }),
    dirac: 'Executable',
    doc: "a path, or a name looked up in the payload's `PATH`; no shell reads it",
  },
  arguments: {
    type: texts(jobLimits.arguments, jobLimits.argumentLength),
    dirac: 'Arguments',
    doc: 'texts of up to 8 KiB each, handed on as they are. Bytes that are not UTF-8 are refused',
  },
  environment: {
    type: variables(jobLimits.environment, jobLimits.environmentValueLength),
    dirac: 'ExecutionEnvironment',
    doc: 'names to texts of up to 8 KiB; names beginning with `PILOTAGE_` are ours, and `__proto__` is refused',
  },
  priority: {
    type: count({ min: 0, max: jobLimits.priority, fallback: 0 }),
    dirac: 'Priority',
    doc: 'higher first; compared between jobs of one owner only',
  },
  maxAttempts: {
    type: count({ min: 1, max: jobLimits.attempts, fallback: jobDefaults.attempts }),
    doc: 'how often it is tried, attempts that only a machine ended not counted. A payload that fails by itself is not tried again',
  },
  maxMachineLosses: {
    type: count({ min: 1, max: jobLimits.machineLosses, fallback: jobDefaults.machineLosses }),
    doc: 'it is Failed when this number of its attempts were lost with their machine: a VM that was lost, preempted or stopped, a lease that ended',
  },
  inputFiles: {
    type: inputFileList(),
    dirac: 'InputSandbox',
    doc: "files and folders that lie in the payload's directory when it starts: local ones by their relative paths, or `{ from, path }` for another path there; ones that are put already by `{ path, digest, bytes, executable }`",
  },
  outputFiles: {
    type: outputPatterns(),
    dirac: 'OutputSandbox',
    doc: "files of the payload's directory that are kept when it ends: paths and patterns with `*`, `?` and `**`; a folder stands for everything in it. stdout and stderr are always kept",
  },
  jobIdMark: {
    type: jobIdMark(),
    doc: "stands for the job's id in `arguments` and in the values of `environment`: each place of this text becomes the id when the job starts",
  },
  after: {
    type: dependencies(),
    doc: 'jobs whose end it waits for, each the id of a job, a name of this submission, or `{ job, when }` or `{ index, when }` with `when` one of ok, ended, failed. If a dependency can never be met, the job is Failed',
  },
}

/** What a VM is or is not for as long as it lives. */
export const placeFields: { readonly [Key in keyof PlaceRequirements]-?: RequirementField<Key> } = {
  platforms: {
    name: 'platforms',
    type: nameList('any'),
    dirac: 'Platform',
    doc: 'any of these, as images name them',
  },
  sites: {
    name: 'sites',
    type: allowedNames('any'),
    dirac: 'Site, BannedSites',
    doc: 'a list of allowed names, or `{ allowed, banned }`',
  },
  clouds: { name: 'clouds', type: allowedNames('any'), dirac: 'GridCE', doc: 'as `sites`' },
  tags: {
    name: 'tags',
    type: nameList('none'),
    dirac: 'Tags',
    doc: `every one of these must be offered. \`isolation:namespaces\` and \`isolation:accounts\` name how the VM isolates payloads: what was promised counts only if the VM's pilot has found it`,
  },
  tagExpression: {
    name: 'tagExpression',
    type: tagExpression(),
    doc: 'what the tags have to be, with `and`, `or`, `not` and parentheses: `gpu and (ssd or not slow)`. It holds beside `tags`. A tag named as an operator stands in double quotes',
  },
  os: {
    name: 'os',
    type: system(),
    doc: 'the system by its ID in `/etc/os-release`: `almalinux`, or `{ name: almalinux, min: "9.2", max: "9" }`. A maximum of "9" takes every 9',
  },
  architecture: {
    name: 'architecture',
    type: processor(),
    doc: '`aarch64`, `x86-64`, a micro-architecture level that is the least (`x86-64-v3`), or a range: `{ min: x86-64-v2, max: x86-64-v3 }`',
  },
  glibc: { name: 'glibc', type: minVersion(), doc: 'at least this version, in quotes: `"2.28"`' },
  containers: {
    name: 'containers',
    type: someOf(containerRuntimes),
    doc: `one of these container runtimes must be there: ${containerRuntimes.join(', ')}`,
  },
  diskRate: {
    name: 'diskRate',
    type: minRate({ min: jobLimits.minDiskRate, max: jobLimits.diskRate }),
    doc: 'at least this rate of the scratch disk, for all jobs of the VM together: `200MB/s`',
  },
}

export const requirementFields: { readonly [Key in keyof Requirements]-?: RequirementField<Key> } = {
  cores: {
    name: 'cores',
    type: range({ min: 1, max: jobLimits.cores, fallback: jobDefaults.cores }),
    dirac: 'NumberOfProcessors, MinNumberOfProcessors, MaxNumberOfProcessors',
    doc: 'a number, or `{ min, max }`: it gets as many as are free, from min to max. A number is both',
  },
  memoryBytes: {
    name: 'memory',
    type: amount('bytes', {
      min: jobLimits.minMemoryBytes,
      max: jobLimits.memoryBytes,
      fallback: jobDefaults.memoryBytes,
    }),
    offered: { min: jobLimits.minFlavorMemoryBytes, max: jobLimits.memoryBytes },
    noneWith: 'memoryPerCoreBytes',
    dirac: 'MaxRAM',
    doc: 'of all its processes together, and of its files in memory (`/dev/shm`). Pages that processes share count once',
  },
  diskBytes: {
    name: 'disk',
    type: amount('bytes', { min: 1, max: jobLimits.diskBytes, fallback: jobDefaults.diskBytes }),
    offered: { min: 1, max: jobLimits.diskBytes, fallback: jobDefaults.flavorDiskBytes },
    doc: 'of its own directory, as `du` counts it: by blocks, and a file once whatever links it has. At most 500 000 files and folders',
  },
  wallMs: {
    name: 'wallTime',
    type: amount('duration', { min: jobLimits.minWallMs, max: jobLimits.wallMs, fallback: jobDefaults.wallMs }),
    noneWith: 'cpuWorkMs',
    doc: "from its start; it must also fit into the rest of the VM's life. With `cpuWork` it is no limit of its own: only VMs that are fast enough to do the work within it are taken",
  },
  memoryPerCoreBytes: {
    name: 'memoryPerCore',
    type: askedAmount('bytes', { min: jobLimits.minMemoryBytes, max: jobLimits.memoryBytes }),
    doc: 'for each core that it is granted, beside `memory`, which is then 0 unless it is given',
  },
  memoryLimitBytes: {
    name: 'memoryLimit',
    type: askedAmount('bytes', { min: jobLimits.minMemoryBytes, max: jobLimits.memoryBytes }),
    doc: 'it is ended above this, instead of above what it asks for; no less than that. What is above is not set aside: it is there only while other jobs do not use theirs',
  },
  memoryLimitPerCoreBytes: {
    name: 'memoryLimitPerCore',
    type: askedAmount('bytes', { min: jobLimits.minMemoryBytes, max: jobLimits.memoryBytes }),
    doc: 'the same, for each core that it is granted, beside `memoryLimit`, which is then 0 unless it is given',
  },
  cpuWorkMs: {
    name: 'cpuWork',
    type: askedAmount('duration', { min: jobLimits.minWallMs, max: jobLimits.cpuWorkMs }),
    dirac: 'CPUTime, in normalised seconds',
    doc: "on one core of power 1, in the benchmark of the offerings (DB12 or HS23): `10h` are 36 000 normalised seconds. Divided by the VM's power and the granted cores it is the limit of its wall time, which must fit into the rest of the VM's life",
  },
  wholeNode: {
    name: 'wholeNode',
    type: flag(),
    dirac: 'WholeNode',
    doc: 'all cores of a VM, with nothing beside it; `cores.min` is the least that the VM has, `cores.max` is not looked at',
  },
  gpus: {
    name: 'gpus',
    type: gpus(),
    doc: 'a number, or `{ min, max, vendor, memory, minCapability, maxCapability, minDriver }`: it gets as many as are free, from min to max',
  },
  ...placeFields,
  alternatives: {
    name: 'alternatives',
    type: alternatives(placeFields),
    doc: `up to ${jobLimits.alternatives} sets of \`platforms\`, \`sites\`, \`clouds\`, \`tags\`, \`tagExpression\`, \`os\`, \`architecture\`, \`glibc\`, \`containers\` and \`diskRate\`: one of them must hold, and everything that stands outside of them`,
  },
}

/** All fields by the name that they have in a document. */
export const fieldNames: readonly string[] = [
  ...Object.keys(specFields),
  ...Object.values(requirementFields).map(({ name }) => name),
]
