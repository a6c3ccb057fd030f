/** All cases of wrong input, one after the other on one world: each must be refused as promised and change nothing. */

import { type Case, differences } from './case.ts'
import { machineCases } from './machines.ts'
import { strangerCases } from './strangers.ts'
import { documentCases, submissionCases } from './submissions.ts'
import { tokenCases } from './tokens.ts'
import { pictureOf, type World } from './world.ts'

export const wrongInputCases: readonly Case[] = [
  ...tokenCases,
  ...submissionCases,
  ...documentCases,
  ...strangerCases,
  ...machineCases,
]

export type Tried = {
  readonly name: string
  readonly wasRefused: boolean
  readonly hasChanged: boolean
  /** Everything that was not as promised. */
  readonly wrong: readonly string[]
}

/** `before`: the world as the last case left it. */
export async function tryCase(
  world: World,
  one: Case,
  before: string,
): Promise<{ readonly tried: Tried; readonly after: string }> {
  const found = await one.attempt(world)
  const after = await pictureOf(world)
  const changes = changesBetween(before, after, one.emits)
  const { name } = one
  const wasRefused = !['accepted', 'untyped'].includes(found.code)
  return {
    tried: { name, wasRefused, hasChanged: changes.length > 0, wrong: [...differences(one, found), ...changes] },
    after,
  }
}

/** Lines that came or went; a picture has one line per thing. A fact that may be emitted is taken out of its line. */
function changesBetween(before: string, after: string, emits: string | undefined): readonly string[] {
  if (before === after) return []
  const known = new Set(before.split('\n'))
  return after
    .split('\n')
    .filter((line) => !known.has(emits === undefined ? line : withoutLast(line, emits, known)))
    .map((line) => `it changed something: ${line.slice(0, 300)}`)
}

/** A history without its newest fact of that kind, if that is one that was known. */
function withoutLast(line: string, kind: string, known: ReadonlySet<string>): string {
  if (known.has(line)) return line
  const parsed: unknown = JSON.parse(line)
  if (!Array.isArray(parsed)) return line
  const newest = parsed.findLastIndex((fact: { kind?: string }) => fact.kind === kind)
  return newest < 0 ? line : JSON.stringify(parsed.toSpliced(newest, 1))
}
