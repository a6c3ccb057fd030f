/** Roles, decided by the server's own clock: the processes that want them are on many machines. */

import type { RoleLease, RoleStore } from '../../../../core/ports/store.ts'
import { type Database, guarded, isDuplicate, type RoleDocument } from './database.ts'

export function openRoles({ roles }: Pick<Database, 'roles'>): RoleStore {
  return {
    async hold(role, holder, forMs) {
      const isLive = { $gt: ['$until', '$$NOW'] }
      const isMine = { $and: [{ $eq: ['$holder', holder] }, isLive] }
      const fence = { $cond: [isMine, '$fence', { $add: [{ $ifNull: ['$fence', 0] }, 1] }] }
      const next = { holder, fence, until: { $add: ['$$NOW', forMs] } }
      const mayTake = { _id: role, $expr: { $or: [isMine, { $not: [isLive] }] } }
      const lease = await guarded('taking a role', async () => {
        const known = await roles.findOneAndUpdate(mayTake, [{ $set: next }], { returnDocument: 'after' })
        if (known) return known
        // Held by another process, or never held: then it is made here, and of several that do so one does.
        return roles
          .findOneAndUpdate({ _id: role, fence: { $exists: false } }, [{ $set: next }], {
            upsert: true,
            returnDocument: 'after',
          })
          .catch((error: unknown) => (isDuplicate(error) ? null : Promise.reject(error)))
      })
      if (lease) return leaseOf(lease)
      // Written before the server's clock was put back: its time ends as if it had been renewed now.
      const latest = { $add: ['$$NOW', forMs] }
      const isAhead = { _id: role, $expr: { $gt: ['$until', latest] } }
      await guarded('cutting a role', () => roles.updateOne(isAhead, [{ $set: { until: latest } }]))
      return undefined
    },
    async letGo(role, holder) {
      await guarded('giving a role up', () => roles.updateOne({ _id: role, holder }, { $set: { until: new Date(0) } }))
    },
    async roles(prefix) {
      const live = await guarded('reading roles', () =>
        roles
          .find({ _id: { $gte: prefix, $lt: `${prefix}\uffff` }, $expr: { $gt: ['$until', '$$NOW'] } })
          .sort({ _id: 1 })
          .toArray(),
      )
      return live.map(leaseOf)
    },
  }
}

function leaseOf({ _id, holder, fence, until }: RoleDocument): RoleLease {
  return { role: _id, holder, fence, untilMs: until.getTime() }
}
