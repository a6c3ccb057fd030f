/**
 * The closed set of facts: one row per group, with its subject, its kinds and the fields of its data, and nothing else emits
 * one.
 *
 * A writer builds a fact with `newFact`, a reader gets it back typed from `knownFact`; the store and the stream keep
 * subject, kind and data as JSON. A fact of another version that fits no row is `other`: it is shown and read by no program.
 * To add a group, add a row here and a message to the oneof of `Fact` in the proto.
 */

import { type End, ends } from './attempt.ts'
import { jobStates } from './job.ts'
import { type AttemptEnding, attemptEndings } from './usage-record.ts'
import { vmStates } from './vm.ts'

export type Subject =
  | `job:${number}`
  | `vm:${string}`
  | `cloud:${string}`
  | `image:${string}`
  | `submission:${string}`
  | `share:${string}`

/** Small, flat, and free of secrets. */
export type FactData = Readonly<Record<string, string | number | boolean>>

export type NewFact = { readonly subject: Subject; readonly kind: string; readonly data: FactData }

/** `seq` orders all facts of an installation; it may have gaps. */
export type Fact = NewFact & { readonly seq: number; readonly atMs: number }

type Field =
  | 'text'
  | 'number'
  | 'text?'
  | 'number?'
  /** How a payload ended. */
  | 'end?'
  /** How an attempt ended. */
  | 'ending?'

type Shape = {
  readonly subject: 'job' | 'vm' | 'cloud' | 'image' | 'submission' | 'share'
  readonly kinds: readonly string[]
  readonly data: Readonly<Record<string, Field>>
}

const roleFields = { holder: 'text', fence: 'number' } as const

export const factShapes = {
  /** A job came into the state, or its pilot was asked for something. `end` and what follows: of a payload that ended. */
  job: {
    subject: 'job',
    kinds: [...jobStates, 'asked to kill', 'asked to reschedule', 'priority set', 'Deleted'],
    data: {
      attempt: 'number?',
      vm: 'text?',
      cores: 'number?',
      by: 'text?',
      why: 'text?',
      end: 'end?',
      exitCode: 'number?',
      wallMs: 'number?',
      peakMemoryBytes: 'number?',
      detail: 'text?',
      /** The job whose end changed this one. */
      dependency: 'number?',
      priority: 'number?',
      /** Of an attempt that ended, whose usage is recorded from them: whose it was, how it ended, and what it had. */
      ending: 'ending?',
      vo: 'text?',
      group: 'text?',
      owner: 'text?',
      claimedMs: 'number?',
      startedMs: 'number?',
      cpuMs: 'number?',
      gpus: 'number?',
    },
  },
  /** The first line of a job's history, made of the job itself. */
  submitted: { subject: 'job', kinds: ['Submitted'], data: { owner: 'text', group: 'text', vo: 'text' } },
  /** A VM came into the state, or its cloud says something else of it while it comes (`said`). */
  vm: {
    subject: 'vm',
    kinds: vmStates,
    data: {
      cloud: 'text',
      flavor: 'text',
      ref: 'text?',
      why: 'text',
      said: 'text?',
      isolation: 'text?',
      /** Of one that is lost: when it was last in contact. */
      contactMs: 'number?',
    },
  },
  /** The end of the console of a VM that never became active. */
  console: { subject: 'vm', kinds: ['console'], data: { text: 'text' } },
  activation: { subject: 'vm', kinds: ['activation refused'], data: { why: 'text' } },
  /** A claim asked for more than the record of the VM has. */
  claim: {
    subject: 'vm',
    kinds: ['claim refused'],
    data: {
      why: 'text',
      cores: 'number',
      heldCores: 'number',
      wantedCores: 'number',
      memoryBytes: 'number',
      heldMemoryBytes: 'number',
      wantedMemoryBytes: 'number',
      diskBytes: 'number',
      heldDiskBytes: 'number',
      wantedDiskBytes: 'number',
    },
  },
  /** A pilot found less than was promised of its VM. */
  size: {
    subject: 'vm',
    kinds: ['less than promised'],
    data: {
      cores: 'number',
      promisedCores: 'number',
      memoryBytes: 'number',
      promisedMemoryBytes: 'number',
      diskBytes: 'number',
      promisedDiskBytes: 'number',
      gpus: 'number?',
      promisedGpus: 'number?',
    },
  },
  /** A pilot did not find what was promised of its VM beside the size. */
  trait: { subject: 'vm', kinds: ['other than promised'], data: { differs: 'text' } },
  /** The room of a VM is kept for a task queue, for a job of it, or not any more. */
  reservation: {
    subject: 'vm',
    kinds: ['room reserved', 'room released'],
    data: { queue: 'text', job: 'number', why: 'text' },
  },
  image: {
    subject: 'image',
    kinds: ['Added', 'Approved', 'Disapproved', 'Revoked'],
    data: { by: 'text', endorsedBy: 'text?', digest: 'text?', site: 'text?', why: 'text?' },
  },
  submission: {
    subject: 'submission',
    kinds: ['Submitted'],
    data: { vo: 'text', group: 'text', owner: 'text', firstId: 'number', count: 'number' },
  },
  /** The weight of a node of the share tree; empty names: of a level above. `weight` absent: as configured again. */
  share: {
    subject: 'share',
    kinds: ['Weight set', 'Weight removed'],
    data: { vo: 'text', group: 'text', owner: 'text', version: 'number', by: 'text', weight: 'number?', why: 'text' },
  },
  /** A director took or lost the role lease of a cloud. */
  role: { subject: 'cloud', kinds: ['role taken', 'role lost'], data: roleFields },
  breaker: {
    subject: 'cloud',
    kinds: ['breaker opened', 'breaker closed'],
    data: { scope: 'text', why: 'text?', backoffMs: 'number?' },
  },
  /** Its cloud does not end the VM, however often it is asked: an administrator of the cloud has to look at it. */
  ending: {
    subject: 'vm',
    kinds: ['cannot be ended'],
    data: { cloud: 'text', ref: 'text', tries: 'number', forMs: 'number', why: 'text' },
  },
  /** A machine without a record was destroyed. */
  orphan: { subject: 'cloud', kinds: ['orphan destroyed'], data: { vm: 'text', ref: 'text', why: 'text' } },
} as const satisfies Readonly<Record<string, Shape>>

const endingKinds = ['create', 'drain', 'retire', 'stop'] as const

/**
 * The plan of a cloud turned into another kind of thing: how many VMs each action is for, and per cause why none is created.
 */
export type PlanData = { readonly [Action in (typeof endingKinds)[number]]?: number } & {
  readonly [Cause in `hold ${string}`]?: string
}

type Shapes = typeof factShapes

type Value<Of> = Of extends 'end?'
  ? End
  : Of extends 'ending?'
    ? AttemptEnding
    : Of extends `number${string}`
      ? number
      : string
type Needed<Fields> = { [Key in keyof Fields]: Fields[Key] extends `${string}?` ? never : Key }[keyof Fields]
type Typed<Fields> = { readonly [Key in Needed<Fields>]: Value<Fields[Key]> } & {
  readonly [Key in Exclude<keyof Fields, Needed<Fields>>]?: Value<Fields[Key]>
}

export type FactGroup = keyof Shapes | 'plan'
export type DataOf<Group extends FactGroup> = Group extends keyof Shapes ? Typed<Shapes[Group]['data']> : PlanData
export type KindOf<Group extends FactGroup> = Group extends keyof Shapes
  ? Shapes[Group]['kinds'][number]
  : 'plan' | 'plan: nothing to do'
type SubjectOf<Group extends FactGroup> = Extract<
  Subject,
  `${Group extends keyof Shapes ? Shapes[Group]['subject'] : 'cloud'}:${string}`
>

/** A fact of the group, typed. */
export type FactOf<Group extends FactGroup> = Pick<Fact, 'seq' | 'atMs'> & {
  readonly group: Group
  readonly subject: SubjectOf<Group>
  readonly kind: KindOf<Group>
  readonly data: DataOf<Group>
}

/** A tagged union: `group` says which data there are. */
export type KnownFact = { [Group in FactGroup]: FactOf<Group> }[FactGroup] | (Fact & { readonly group: 'other' })

export function newFact<Group extends FactGroup>(
  _: Group,
  subject: SubjectOf<Group>,
  kind: KindOf<Group>,
  data: DataOf<Group>,
): NewFact {
  return { subject, kind, data: data as FactData }
}

export function knownFact(fact: Fact): KnownFact {
  return { ...fact, group: groupOf(fact) } as KnownFact
}

const groups = Object.entries(factShapes) as readonly [keyof Shapes, Shape][]

function groupOf({ subject, kind, data }: NewFact): FactGroup | 'other' {
  const about = subject.slice(0, subject.indexOf(':'))
  if (about === 'cloud' && (kind === 'plan' || kind === 'plan: nothing to do')) return isPlan(data) ? 'plan' : 'other'
  const found = groups.find(([, shape]) => shape.subject === about && shape.kinds.includes(kind))
  return found && isOfShape(found[1], data) ? found[0] : 'other'
}

function isOfShape({ data: fields }: Shape, data: FactData): boolean {
  return (
    Object.keys(data).every((key) => Object.hasOwn(fields, key)) &&
    Object.entries(fields).every(([key, field]) => isValue(field, data[key]))
  )
}

const valueTypes = { text: 'string', 'text?': 'string', number: 'number', 'number?': 'number' } as const

function isValue(field: Field, value: FactData[string] | undefined): boolean {
  if (value === undefined) return field.endsWith('?')
  if (field === 'end?') return (ends as readonly unknown[]).includes(value)
  if (field === 'ending?') return (attemptEndings as readonly unknown[]).includes(value)
  return typeof value === valueTypes[field]
}

function isPlan(data: FactData): boolean {
  return Object.entries(data).every(([key, value]) =>
    (endingKinds as readonly string[]).includes(key)
      ? typeof value === 'number'
      : key.startsWith('hold ') && typeof value === 'string',
  )
}
