/**
 * What the fuzz program gives inputs to. A target refuses an input by a PilotageError; everything else that it throws is a
 * crash, a broken property included.
 */

import type { Chance } from './chance.ts'

export type FuzzTarget = {
  readonly name: string
  /** What it reads: documents and expressions are text, messages are bytes, each as a character. */
  readonly maxBytes: number
  /** Inputs that others are made of by changes. */
  readonly seeds: readonly string[]
  /** What means something to it, put into inputs. */
  readonly words: readonly string[]
  /** An input by the grammar of what it reads. */
  make(chance: Chance): string
  /**
   * What a valid input has to satisfy is checked here too. Answers how many things (jobs of a document) it became; 0: it was
   * refused. Twenty characters can ask for ten thousand jobs, so what counts is the time per hundred of them.
   */
  run(input: string): number
}

/** A broken property: a crash by another name. */
export function property(holds: boolean, what: string): void {
  if (!holds) throw new Error(`broken property: ${what}`)
}
