/**
 * The attributes of DIRAC's JDL: what each becomes of the fields of a job, or why it cannot be honoured.
 *
 * The table of docs/from-dirac.md is made of this one. An attribute that only says how a job is shown or counted may be left
 * out, and a note says so. One that changes what the job does is refused unless the user accepts the job without it. An
 * attribute `Pilotage.FIELD` gives a field of ours as a document has it: what DIRAC has no attribute for is written so.
 */

import type { InputFile } from '../../model/sandbox-file.ts'
import { splitWords } from './words.ts'
import type { JdlAttribute } from './parse.ts'
import { amountIn, flagIn, isEmpty, namesIn, type RefuseValue, textIn, wholeIn } from './values.ts'

/** What one record says, before it is checked. Sizes in bytes, times in milliseconds. */
export type JdlDraft = {
  readonly spec: Record<string, unknown>
  readonly requirements: Record<string, unknown>
  cores: { exact?: number; min?: number; max?: number; isTagged?: boolean }
  sites: { allowed?: readonly string[]; banned?: readonly string[] }
  memory: { max?: number; min?: number; tagged?: number }
  tags: readonly string[]
  /** The names that stdout and stderr have. */
  streams: Set<string>
  wantsOutput: readonly string[]
}

/** dropped: it changes what the job does. ignored: it does not. changed: read as something close to it. */
export type NoteKind = 'changed' | 'ignored' | 'dropped'

export type Say = {
  readonly refuse: RefuseValue
  note(kind: NoteKind, why: string): void
}

export type JdlRow = {
  readonly name: string
  readonly also?: readonly string[]
  /** For people: a field of a job, or what is done with it. */
  readonly becomes: string
  read(attribute: JdlAttribute, draft: JdlDraft, say: Say): void
}

const gigabyte = 1000 ** 3
const megabyte = 1000 ** 2
/** DIRAC 8 counts MaxRAM in GB and DIRAC 9 in MB: no job of either has as much as the other would read. */
const maxGigabytes = 1024

const rows: readonly JdlRow[] = [
  {
    name: 'Executable',
    becomes: '`executable`',
    read(attribute, { spec }, { refuse }) {
      spec.executable = textIn(attribute, refuse)
    },
  },
  {
    name: 'Arguments',
    becomes: '`arguments`, split as a shell splits them; nothing is expanded',
    read(attribute, { spec }, say) {
      spec.arguments = argumentsIn(attribute, say)
    },
  },
  {
    name: 'JobName',
    becomes: '`name`',
    read(attribute, { spec }, { refuse }) {
      spec.name = textIn(attribute, refuse)
    },
  },
  {
    name: 'JobGroup',
    becomes: '`jobGroup`',
    read(attribute, { spec }, { refuse }) {
      spec.jobGroup = textIn(attribute, refuse)
    },
  },
  {
    name: 'JobType',
    becomes: "`jobType`; `User`, which is DIRAC's default, is none",
    read(attribute, { spec }, { refuse }) {
      const type = textIn(attribute, refuse)
      spec.jobType = type === 'User' ? '' : type
    },
  },
  {
    name: 'Priority',
    becomes: '`priority`; without it 1, as in DIRAC',
    read(attribute, { spec }, { refuse }) {
      spec.priority = wholeIn(attribute, refuse)
    },
  },
  {
    name: 'ExecutionEnvironment',
    becomes: '`environment`; a list of NAME=VALUE',
    read(attribute, { spec }, { refuse }) {
      spec.environment = environmentIn(attribute, refuse)
    },
  },
  {
    name: 'CPUTime',
    becomes: '`cpuWork`: normalised seconds, of one core of power 1; only VMs of known power take the job',
    read(attribute, { requirements }, { refuse }) {
      const seconds = amountIn(attribute, refuse)
      if (seconds !== undefined) requirements.cpuWorkMs = Math.round(seconds * 1000)
    },
  },
  {
    name: 'NumberOfProcessors',
    becomes: '`cores`',
    read(attribute, { cores }, { refuse }) {
      cores.exact = wholeIn(attribute, refuse)
    },
  },
  {
    name: 'MinNumberOfProcessors',
    becomes: '`cores.min`',
    read(attribute, { cores }, { refuse }) {
      cores.min = wholeIn(attribute, refuse)
    },
  },
  {
    name: 'MaxNumberOfProcessors',
    becomes: '`cores.max`',
    read(attribute, { cores }, { refuse }) {
      cores.max = wholeIn(attribute, refuse)
    },
  },
  {
    name: 'MaxRAM',
    becomes: `\`memory\`: GB up to ${maxGigabytes}, and MB above (DIRAC 9)`,
    read(attribute, { memory }, { refuse, note }) {
      const given = amountIn(attribute, refuse)
      if (given === undefined) return
      const isMegabytes = given > maxGigabytes
      memory.max = Math.round(given * (isMegabytes ? megabyte : gigabyte))
      if (isMegabytes) note('changed', `read as MB, since more than ${maxGigabytes} GB was not meant`)
    },
  },
  {
    name: 'MinRAM',
    becomes: '`memory` where there is no MaxRAM; in MB',
    read(attribute, { memory }, { refuse }) {
      const given = amountIn(attribute, refuse)
      if (given !== undefined) memory.min = Math.round(given * megabyte)
    },
  },
  {
    name: 'Site',
    becomes: '`sites`; ANY is every site',
    read(attribute, { sites }, { refuse }) {
      sites.allowed = placesIn(attribute, refuse)
    },
  },
  {
    name: 'BannedSites',
    also: ['BannedSite'],
    becomes: '`sites.banned`',
    read(attribute, { sites }, { refuse }) {
      sites.banned = namesIn(attribute, refuse)
    },
  },
  {
    name: 'GridCE',
    becomes: '`clouds`',
    read(attribute, { requirements }, { refuse }) {
      const allowed = placesIn(attribute, refuse)
      if (allowed) requirements.clouds = { allowed, banned: [] }
    },
  },
  {
    name: 'Platform',
    becomes: '`platforms`; ANY is every platform',
    read(attribute, { requirements }, { refuse }) {
      requirements.platforms = placesIn(attribute, refuse)
    },
  },
  {
    name: 'Tags',
    also: ['Tag'],
    becomes: '`tags`; `4Processors`, `8GB` and `WholeNode` become `cores`, `memory` and `wholeNode`',
    read: readTags,
  },
  {
    name: 'StdOutput',
    becomes: 'the job keeps its stdout under the name `stdout`',
    read: (attribute, draft, say) => readStream(attribute, draft, say, 'std.out', 'stdout'),
  },
  {
    name: 'StdError',
    becomes: 'the job keeps its stderr under the name `stderr`',
    read: (attribute, draft, say) => readStream(attribute, draft, say, 'std.err', 'stderr'),
  },
  {
    name: 'OutputSandbox',
    becomes: '`outputFiles`; stdout and stderr are always kept',
    read(attribute, draft, { refuse, note }) {
      const names = namesIn(attribute, refuse) ?? []
      if (names.some(isCatalogued)) note('dropped', noCatalogue)
      draft.wantsOutput = names.filter((name) => !isCatalogued(name))
    },
  },
  {
    name: 'InputSandbox',
    becomes: '`inputFiles`: local files and folders, each under its last name; not LFN: and SB:',
    read(attribute, { spec }, { refuse, note }) {
      const names = namesIn(attribute, refuse) ?? []
      if (names.some(isCatalogued)) note('dropped', noCatalogue)
      const local = names.filter((name) => !isCatalogued(name)).map((name) => name.replace(/(?<=.)\/$/, ''))
      if (local.length > 0) spec.inputFiles = local.map(localInput)
    },
  },
  without('InputData', 'there is no catalogue of data: the payload fetches its own', ['InputDataPolicy', 'InputDataModule']),
  without('OutputData', 'output is not registered as data: the payload stores its own', ['OutputPath', 'OutputSE']),
  without('Requirements', 'expressions of ClassAds are not evaluated: Site, Platform, Tags and the other attributes are'),
  {
    name: 'WholeNode',
    becomes: '`wholeNode`',
    read(attribute, { requirements }, { refuse }) {
      if (flagIn(attribute, refuse)) requirements.wholeNode = true
    },
  },
  without('StopSigNumber', 'a payload is ended by SIGTERM, and SIGKILL after a grace', [
    'StopSigRegex',
    'StopSigStartSeconds',
    'StopSigFinishSeconds',
  ]),
  without('SoftwareDistModule', 'there are no extensions of the wrapper', ['JobConfigArgs', 'ExtraOptions']),
  unimportant('LogLevel', 'the pilot has one log level', 'INFO'),
  unimportant('ProcessingType', 'usage is counted by VO, group and owner'),
  unimportant('DisableCPUCheck', 'a payload is not ended for using too little CPU'),
  unimportant('Memory', 'DIRAC only warns at it; MaxRAM is the limit'),
  unimportant('VirtualOrganization', 'the token says for whom jobs are submitted', undefined, [
    'Owner',
    'OwnerGroup',
    'OwnerDN',
  ]),
]

const noCatalogue = 'there is no catalogue of data: only local files are sent and kept'

/** Of DIRAC's file catalogue, or of a sandbox that DIRAC holds. */
function isCatalogued(name: string): boolean {
  return /^(?:LFN|SB):/i.test(name)
}

/** DIRAC unpacks what it is given into the payload's directory itself. */
function localInput(from: string): InputFile {
  return { path: from.slice(from.lastIndexOf('/') + 1), from, digest: '', bytes: 0, executable: false }
}

/** It changes what the job does, unless it is empty. */
function without(name: string, why: string, also: readonly string[] = []): JdlRow {
  return {
    name,
    also,
    becomes: `nothing: ${why}`,
    read(attribute, _, { note }) {
      if (!isEmpty(attribute)) note('dropped', why)
    },
  }
}

/** `usual`: nothing is said of this value. */
function unimportant(name: string, why: string, usual?: string, also: readonly string[] = []): JdlRow {
  return {
    name,
    also,
    becomes: `nothing: ${why}`,
    read(attribute, _, { note }) {
      if (!isEmpty(attribute) && textIn(attribute, () => undefined) !== usual) note('ignored', why)
    },
  }
}

function argumentsIn(attribute: JdlAttribute, { refuse }: Say): readonly string[] | undefined {
  // A list is what people mean by it: an argument each.
  if (attribute.value.kind === 'list') {
    const items = attribute.value.items.map((value) => textIn({ ...attribute, value }, refuse))
    return items.every((item) => item !== undefined) ? items : undefined
  }
  const text = textIn(attribute, refuse)
  if (text === undefined) return undefined
  const words = splitWords(text)
  if (!words) refuse('a quote is not closed', 'arguments as a shell takes them: one \'two words\' "three"')
  return words
}

function environmentIn(attribute: JdlAttribute, refuse: RefuseValue): Readonly<Record<string, string>> | undefined {
  const pairs: [string, string][] = []
  const { value } = attribute
  const items = value.kind === 'list' ? value.items : [value]
  for (const item of items) {
    const text = textIn({ ...attribute, value: item }, () => undefined) ?? ''
    const at = text.indexOf('=')
    if (at < 1) {
      if (text === '' && items.length === 1) break
      refuse('not a variable', 'NAME=VALUE, or a list of them')
      return undefined
    }
    pairs.push([text.slice(0, at).trim(), text.slice(at + 1)])
  }
  return Object.fromEntries(pairs)
}

function placesIn(attribute: JdlAttribute, refuse: RefuseValue): readonly string[] | undefined {
  return namesIn(attribute, refuse)?.filter((name) => name.toUpperCase() !== 'ANY')
}

function readTags(attribute: JdlAttribute, draft: JdlDraft, { refuse, note }: Say): void {
  const kept: string[] = []
  for (const tag of namesIn(attribute, refuse) ?? []) {
    const [, count, unit] = /^(\d+)(Processors|GB)$/.exec(tag) ?? []
    if (unit === 'Processors') draft.cores.exact ??= Number(count)
    else if (unit === 'GB') draft.memory.tagged = Number(count) * gigabyte
    else if (tag === 'MultiProcessor') draft.cores.isTagged = true
    else if (tag === 'WholeNode') draft.requirements.wholeNode = true
    else kept.push(tag)
    if (unit !== undefined) note('changed', `the tag ${tag} asks for ${unit === 'GB' ? 'memory' : 'cores'}`)
  }
  draft.tags = [...draft.tags, ...kept]
}

function readStream(attribute: JdlAttribute, draft: JdlDraft, say: Say, usual: string, kept: string): void {
  const name = textIn(attribute, say.refuse)
  if (name === undefined || name === '') return
  draft.streams.add(name)
  if (name !== usual) say.note('changed', `kept as the job's ${kept}`)
}

const byName: ReadonlyMap<string, JdlRow> = new Map(
  rows.flatMap((row) => [row.name, ...(row.also ?? [])].map((name) => [name.toLowerCase(), row] as const)),
)

/** By any spelling of capitals: ClassAds know no difference. */
export function jdlRow(name: string): JdlRow | undefined {
  return byName.get(name.toLowerCase())
}

export const jdlRows: readonly JdlRow[] = rows

export const jdlNames: readonly string[] = rows.flatMap(({ name, also = [] }) => [name, ...also])
