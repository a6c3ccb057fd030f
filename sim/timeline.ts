/**
 * Virtual time for a whole installation: one heap of events, ordered by time and, within a moment, by when they were made.
 *
 * Between two events every promise that can go on has gone on (that is what a turn of the real event loop is used for), so
 * that a step is a moment of the world and not a race. Nothing here reads a real clock or real chance: the same events give
 * the same run.
 */

import { type Clock, systemClock, type Timer } from '../core/kernel/clock.ts'

export type Timeline = {
  /** The world's own clock; processes have clocks of their own. */
  readonly clock: Clock
  /** Since the start. */
  nowMs(): number
  after(delayMs: number, run: () => void): Timer
  steps(): number
  /** Runs events until `isOver` says so or there are none; `isOver` is asked after every step. */
  run(isOver: () => boolean): Promise<void>
}

type Waiting = { readonly atMs: number; readonly order: number; run: (() => void) | undefined }

/** A plain date, so that times in a trace are easy on the eye. */
export const epochMs = 1_700_000_000_000

const turnsAtOnce = 256

export function timeline(): Timeline {
  // Turns of the event loop are real: only time is not.
  const { soon } = systemClock()
  const heap: Waiting[] = []
  let nowMs = 0
  let order = 0
  let steps = 0

  function after(delayMs: number, run: () => void): Timer {
    const waiting: Waiting = { atMs: nowMs + Math.max(0, delayMs), order, run }
    order += 1
    push(heap, waiting)
    return {
      cancel() {
        waiting.run = undefined
      },
    }
  }

  function next(): Waiting | undefined {
    let waiting = pop(heap)
    while (waiting && !waiting.run) waiting = pop(heap)
    return waiting
  }

  function run(isOver: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      let isRunning = true
      const turn = (): void => {
        if (!isRunning) return
        try {
          const waiting = isOver() ? undefined : next()
          if (waiting) {
            nowMs = waiting.atMs
            steps += 1
            waiting.run?.()
          } else {
            isRunning = false
            resolve()
          }
        } catch (error) {
          isRunning = false
          reject(error)
        }
      }
      // Between two turns every promise settles that the event before has moved. Many are asked for at once, because asking
      // costs more than most events.
      const gather = (): void => {
        if (!isRunning) return
        for (let count = 0; count < turnsAtOnce; count += 1) soon(turn)
        soon(gather)
      }
      gather()
    })
  }

  const clock: Clock = {
    nowMs: () => epochMs + nowMs,
    monotonicMs: () => nowMs,
    after,
    soon: (soonRun) => {
      after(0, soonRun)
    },
  }
  return { clock, nowMs: () => nowMs, after, steps: () => steps, run }
}

function isBefore(a: Waiting, b: Waiting): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

function push(heap: Waiting[], waiting: Waiting): void {
  let at = heap.length
  heap.push(waiting)
  while (at > 0) {
    const up = (at - 1) >> 1
    const parent = heap[up]
    if (!parent || !isBefore(waiting, parent)) break
    heap[at] = parent
    at = up
  }
  heap[at] = waiting
}

function pop(heap: Waiting[]): Waiting | undefined {
  const first = heap[0]
  const last = heap.pop()
  if (!first || !last || first === last) return first
  let at = 0
  for (;;) {
    const left = 2 * at + 1
    const [a, b] = [heap[left], heap[left + 1]]
    if (!a) break
    const [child, childAt] = b && isBefore(b, a) ? [b, left + 1] : [a, left]
    if (!isBefore(child, last)) break
    heap[at] = child
    at = childAt
  }
  heap[at] = last
  return first
}
