/**
 * Transfers of files: how many are under way at one time, and how many pieces are moved in one turn of the event loop. So
 * reports, matches and other calls wait for a millisecond of transfers at most, however many there are, and transfers use
 * half of the thread at most, however slow it is. What their memory costs is held down elsewhere (file-messages.ts).
 *
 * A transfer above the bound waits; its stream is not read until then, and HTTP/2 holds the sender back. A caller has a few
 * at one time. What waits is let in in the order of arrival.
 */

import type { Clock } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import { sandboxLimits } from '../../../core/kernel/sandbox-limits.ts'

export type Transfers = {
  /**
   * `pace` is waited for before each piece. Throws `overloaded` where the caller has too many, or too many wait; `cancelled`
   * where the caller is gone before its turn.
   */
  run<Answer>(caller: string, gone: AbortSignal, move: (pace: () => Promise<void>) => Promise<Answer>): Promise<Answer>
}

export type TransferLimits = Pick<
  typeof sandboxLimits,
  'transfers' | 'transfersPerCaller' | 'waitingTransfers' | 'piecesPerTurn' | 'piecesPerSecond' | 'longestPauseMs'
>
type TurnLimits = { readonly [Key in 'piecesPerTurn' | 'piecesPerSecond' | 'longestPauseMs']: number }

const againMs = 1000

export function openTransfers(
  clock: Clock,
  limits: { readonly [Key in keyof TransferLimits]: number } = sandboxLimits,
): Transfers {
  const callers = new Map<string, number>()
  const waiting = new Set<() => void>()
  const pace = pieceTurns(clock, limits)
  let active = 0

  function admitted(gone: AbortSignal): Promise<void> {
    if (active < limits.transfers) {
      active += 1
      return Promise.resolve()
    }
    if (waiting.size >= limits.waitingTransfers)
      throw new PilotageError('overloaded', `${waiting.size} transfers of files wait already`, { retryAfterMs: againMs })
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        gone.removeEventListener('abort', leave)
        waiting.delete(enter)
        active += 1
        resolve()
      }
      const leave = (): void => {
        waiting.delete(enter)
        reject(new PilotageError('cancelled', 'the caller disconnected'))
      }
      waiting.add(enter)
      gone.addEventListener('abort', leave, { once: true })
      if (gone.aborted) leave()
    })
  }

  return {
    async run(caller, gone, move) {
      const own = callers.get(caller) ?? 0
      if (own >= limits.transfersPerCaller) {
        const message = `${own} transfers of files of this caller are under way: at most ${limits.transfersPerCaller}`
        throw new PilotageError('overloaded', message, { retryAfterMs: againMs })
      }
      callers.set(caller, own + 1)
      try {
        await admitted(gone)
        try {
          return await move(pace)
        } finally {
          active -= 1
          if (active < limits.transfers) waiting.values().next().value?.()
        }
      } finally {
        const left = (callers.get(caller) ?? 1) - 1
        if (left === 0) callers.delete(caller)
        else callers.set(caller, left)
      }
    },
  }
}

/**
 * Resolves for the next piece: for a few in each turn of the event loop. After a turn with pieces comes a pause: of as long
 * as the turn took, and of what the rate asks for, since a piece costs more outside of its turn, in HTTP/2 and its codec.
 */
function pieceTurns(clock: Clock, limits: TurnLimits): () => Promise<void> {
  const { piecesPerTurn, piecesPerSecond, longestPauseMs } = limits
  const pauseMs = (1000 * piecesPerTurn) / piecesPerSecond
  const waiting: (() => void)[] = []
  let left = piecesPerTurn
  let isArmed = false

  function arm(): void {
    if (isArmed) return
    isArmed = true
    const beganMs = clock.monotonicMs()
    clock.soon(() => {
      const tookMs = clock.monotonicMs() - beganMs
      clock.after(Math.max(pauseMs, Math.min(tookMs, longestPauseMs)), goOn)
    })
  }

  function goOn(): void {
    isArmed = false
    left = piecesPerTurn
    while (left > 0 && waiting.length > 0) {
      left -= 1
      waiting.shift()?.()
    }
    if (left < piecesPerTurn) arm()
  }

  return () => {
    arm()
    if (left === 0) return new Promise((resolve) => waiting.push(resolve))
    left -= 1
    return Promise.resolve()
  }
}
