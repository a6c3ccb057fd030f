/**
 * The operations of the embedded store on roles. A role that was given up keeps its row: its next holder gets a higher
 * fence.
 */

import type { RoleLease } from '../../../../core/ports/store.ts'
import type { Inside } from './inside.ts'

export type RoleOperations = {
  hold(role: string, holder: string, forMs: number, nowMs: number): RoleLease | undefined
  letGo(role: string, holder: string): void
  roles(prefix: string, nowMs: number): readonly RoleLease[]
}

export function roleOperations({ db }: Inside): RoleOperations {
  const one = db.prepare('select * from roles where role = ?')
  const put = db.prepare('insert or replace into roles (role, holder, fence, until_ms) values (?, ?, ?, ?)')
  const drop = db.prepare('update roles set until_ms = 0 where role = ? and holder = ?')
  const live = db.prepare('select * from roles where role >= ? and role < ? and until_ms > ? order by role')
  return {
    hold(role, holder, forMs, nowMs) {
      const row = one.get(role)
      const last = row && leaseOf(row)
      const isLive = last !== undefined && last.untilMs > nowMs
      if (isLive && last.holder !== holder) {
        // Written before the clock was put back: its time ends as if it had been renewed now.
        if (last.untilMs > nowMs + forMs) put.run(role, last.holder, last.fence, nowMs + forMs)
        return undefined
      }
      const fence = isLive ? last.fence : (last?.fence ?? 0) + 1
      put.run(role, holder, fence, nowMs + forMs)
      return { role, holder, fence, untilMs: nowMs + forMs }
    },
    letGo(role, holder) {
      drop.run(role, holder)
    },
    roles: (prefix, nowMs) => live.all(prefix, `${prefix}\uffff`, nowMs).map(leaseOf),
  }
}

function leaseOf(row: Record<string, unknown>): RoleLease {
  return {
    role: String(row.role),
    holder: String(row.holder),
    fence: Number(row.fence),
    untilMs: Number(row.until_ms),
  }
}
