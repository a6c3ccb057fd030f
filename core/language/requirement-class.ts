/**
 * The class of a job's requirements: what its task queue asks for. Memory, disk and wall time are rounded up to steps, so
 * that jobs whose numbers differ by bytes share a task queue; everything else stays exact. docs/jobs.md lists the steps.
 *
 * Rounding decides where a job queues, never whether it runs: the job keeps its exact numbers (its needs), and a room that
 * is too small for the class is still offered to those jobs of it that fit exactly. A step never passes over a size that an
 * offering has, so that a plan for the class finds the same offerings as a plan for each job.
 */

import type { Requirements, Needs } from '../model/requirements.ts'

/** Sizes that there are: no step passes over one. */
export type Sizes = {
  readonly memoryBytes: readonly number[]
  readonly diskBytes: readonly number[]
  readonly wallMs: readonly number[]
  /** Of offerings whose power is known. */
  readonly work?: readonly { readonly power: number; readonly cores: number; readonly usableMs: number }[]
}

export const noSizes: Sizes = { memoryBytes: [], diskBytes: [], wallMs: [] }

type Ladder = {
  /** A step: the others are this one doubled or halved, with equal steps in between. */
  readonly base: number
  readonly stepsPerDoubling: number
  /** Below `stepsPerDoubling` of these, every multiple of it is a step. */
  readonly unit: number
}

const mib = 1024 * 1024
const hour = 60 * 60 * 1000

/** At most an eighth more from 128 MiB on (disk: 512 MiB); at most a twelfth more wall time from 17 minutes on. */
export const ladders: { readonly [Key in keyof Needs]-?: Ladder } = {
  memoryBytes: { base: mib, stepsPerDoubling: 8, unit: 16 * mib },
  diskBytes: { base: mib, stepsPerDoubling: 8, unit: 64 * mib },
  /** Whole hours up to a day are steps, and from then on days: what people write. */
  wallMs: { base: 24 * hour, stepsPerDoubling: 12, unit: (24 * hour) / 1024 },
  cpuWorkMs: { base: 24 * hour, stepsPerDoubling: 12, unit: (24 * hour) / 1024 },
}

/** The requirements that a class rounds up. */
export const classed = Object.keys(ladders) as readonly (keyof Needs)[]

type Plain = 'memoryBytes' | 'diskBytes' | 'wallMs'

export function requirementClass(exact: Requirements, sizes: Sizes): Requirements {
  const up = (field: Plain): number => upTo(exact[field], ladders[field], sizes[field])
  const { cpuWorkMs, cores } = exact
  // What each offering can do with the cores that the job can use, in all of a VM's life.
  const work = (sizes.work ?? []).map(({ power, usableMs, ...has }) => power * Math.min(has.cores, cores.max) * usableMs)
  return {
    ...exact,
    ...(cpuWorkMs === undefined ? {} : { cpuWorkMs: upTo(cpuWorkMs, ladders.cpuWorkMs, work) }),
    // A part of a sum stays exact: rounded, the sum could pass over a size that an offering has.
    memoryBytes: exact.memoryPerCoreBytes === undefined ? up('memoryBytes') : exact.memoryBytes,
    diskBytes: up('diskBytes'),
    wallMs: exact.cpuWorkMs === undefined ? up('wallMs') : exact.wallMs,
  }
}

/** The next step, or the smallest size that there is on the way to it. */
function upTo(exact: number, ladder: Ladder, sizes: readonly number[]): number {
  const step = stepUp(exact, ladder)
  return sizes.reduce((smallest, size) => (size >= exact && size < smallest ? size : smallest), step)
}

/** Undefined where the class asks for no more than the job. */
export function needsOf({ memoryBytes, diskBytes, wallMs, cpuWorkMs }: Requirements, of: Requirements): Needs | undefined {
  const isSame = memoryBytes === of.memoryBytes && diskBytes === of.diskBytes && wallMs === of.wallMs
  if (isSame && cpuWorkMs === of.cpuWorkMs) return undefined
  return { memoryBytes, diskBytes, wallMs, ...(cpuWorkMs === undefined ? {} : { cpuWorkMs }) }
}

export function exactly(requirements: Requirements, needs: Needs | undefined): Requirements {
  return needs === undefined ? requirements : { ...requirements, ...needs }
}

/** Less than any job of the class asks for: a room that is too small for this has room for none of them. */
export function minOf(requirements: Requirements): Requirements {
  const down = (field: Plain): number => stepBelow(requirements[field], ladders[field])
  const { cpuWorkMs } = requirements
  // Within its wall time CPU work must be done: less of that would ask for more.
  const wallMs = requirements.cpuWorkMs === undefined ? down('wallMs') : requirements.wallMs
  const work = cpuWorkMs === undefined ? {} : { cpuWorkMs: stepBelow(cpuWorkMs, ladders.cpuWorkMs) }
  return { ...requirements, ...work, memoryBytes: down('memoryBytes'), diskBytes: down('diskBytes'), wallMs }
}

export function stepUp(value: number, ladder: Ladder): number {
  const width = widthAt(value, ladder)
  return Math.ceil(value / width) * width
}

/** The highest step below the value; 0 below the first. */
function stepBelow(value: number, ladder: Ladder): number {
  if (value <= 0) return 0
  // Just below a doubling the steps are half as wide as at it.
  const width = widthAt(value, ladder)
  const below = (Math.ceil(value / width) - 1) * width
  const finer = widthAt(Math.max(below, value - width / 2), ladder)
  return (Math.ceil(value / finer) - 1) * finer
}

/** How far steps lie apart between the doublings around the value. */
function widthAt(value: number, { base, stepsPerDoubling, unit }: Ladder): number {
  const doubling = base * 2 ** Math.floor(Math.log2(value / base))
  return Math.max(unit, doubling / stepsPerDoubling)
}
