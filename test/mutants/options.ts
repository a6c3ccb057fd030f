/** The options of `npm run mutants`, checked. */

import { parseArgs } from 'node:util'
import { rooms } from './rooms.ts'

export type Options = {
  readonly rooms: readonly string[]
  readonly files: readonly string[]
  /** Beginnings of paths of test files; empty: all take part. */
  readonly tests: readonly string[]
  /** A commit, '' for the default one, absent if files are not chosen by changes. */
  readonly changed?: string
  readonly sample?: number
  readonly seed: number
  readonly minutes?: number
  readonly hosts: number
  readonly out?: string
  readonly isUnconfined: boolean
}

const maxHosts = 64

/** The options, or what is wrong with them. */
export function readOptions(args: readonly string[]): Options | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        room: { type: 'string', multiple: true },
        files: { type: 'boolean' },
        tests: { type: 'string', multiple: true },
        changed: { type: 'boolean' },
        sample: { type: 'string' },
        seed: { type: 'string' },
        minutes: { type: 'string' },
        hosts: { type: 'string' },
        out: { type: 'string' },
        unconfined: { type: 'boolean' },
      },
    })
    const {
      room = [],
      files = false,
      tests = [],
      changed = false,
      sample,
      seed,
      minutes,
      hosts,
      out,
      unconfined = false,
    } = values
    const unknown = room.filter((name) => !rooms.some((known) => known.name === name))
    if (unknown.length > 0) return `no room ${unknown.join(', ')}; accepted: ${rooms.map(({ name }) => name).join(', ')}`
    if (files && changed) return '--files and --changed exclude each other'
    if (files && positionals.length === 0) return '--files names no file'
    if (changed && positionals.length > 1) return '--changed takes one commit'
    if (!files && !changed && positionals.length > 0) return `unexpected: ${positionals.join(' ')}`
    return {
      rooms: room,
      files: files ? positionals : [],
      tests,
      ...(changed ? { changed: positionals[0] ?? '' } : {}),
      ...(sample === undefined ? {} : { sample: numberIn('--sample', sample, 1, 1_000_000) }),
      seed: numberIn('--seed', seed ?? '1', 0, 2 ** 32 - 1),
      ...(minutes === undefined ? {} : { minutes: numberIn('--minutes', minutes, 1, 10_000) }),
      hosts: numberIn('--hosts', hosts ?? '2', 1, maxHosts),
      ...(out === undefined ? {} : { out }),
      isUnconfined: unconfined,
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function numberIn(name: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < min || value > max) throw new Error(`${name} ${text}; accepted: ${min} to ${max}`)
  return value
}
