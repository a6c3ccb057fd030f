/**
 * Who looks at the page, and what they see. The one place of the dashboard that decides it.
 *
 * The same as the gRPC edge decides for looking: a user sees the jobs, queues and facts of their own VO, operators and
 * administrators those of every VO; machines, clouds and plans are for every user. A VM's credential is for no page. What
 * is not seen is as unknown as what does not exist.
 */

import { PilotageError } from '../../core/errors.ts'
import type { Fact } from '../../core/facts.ts'
import { type Identity, type Reach, reaches, type UserRole } from '../../core/identity.ts'
import { isJobId, type JobId } from '../../core/ids.ts'
import type { Owner } from '../../core/job.ts'
import type { JobStore } from '../../core/ports/store.ts'

export type Viewer = { readonly owner: Owner; readonly reach: Extract<Reach, 'vo' | 'any'> }

const reachOf: Readonly<Record<UserRole, Viewer['reach']>> = { user: 'vo', operator: 'any', admin: 'any' }

/** Throws `forbidden` for a VM, and for a user without any role. */
export function viewerOf(identity: Identity): Viewer {
  if (identity.kind !== 'user' || identity.roles.length === 0) throw new PilotageError('forbidden', 'the page is for users')
  const reach = identity.roles.some((role) => reachOf[role] === 'any') ? 'any' : 'vo'
  return { owner: identity.owner, reach }
}

/** undefined: every VO. */
export function visibleVo({ owner, reach }: Viewer): string | undefined {
  return reach === 'any' ? undefined : owner.vo
}

export function sees({ owner, reach }: Viewer, subject: Owner): boolean {
  return reaches(reach, owner, subject)
}

/** Jobs whose VO is remembered: some hours of a busy service, at less than a hundred bytes each. */
const rememberedMost = 20_000

/** Sorts out facts that a viewer may hear. What belongs to a job is as visible as the job; an unknown kind is not. */
export type Hearing = { readonly heard: (viewer: Viewer, facts: readonly Fact[]) => Promise<readonly Fact[]> }

export function hearing(store: Pick<JobStore, 'jobs'>): Hearing {
  /** A job's VO never changes. */
  const vos = new Map<JobId, string>()

  async function learn(facts: readonly Fact[]): Promise<void> {
    const unknown = new Set<JobId>()
    for (const { subject } of facts) {
      const id = jobIdOf(subject)
      if (id !== undefined && !vos.has(id)) unknown.add(id)
    }
    if (unknown.size === 0) return
    for (const { id, vo } of await store.jobs([...unknown])) vos.set(id, vo)
    for (const id of vos.keys()) {
      if (vos.size <= rememberedMost) break
      vos.delete(id)
    }
  }

  return {
    async heard(viewer, facts) {
      const vo = visibleVo(viewer)
      if (vo === undefined) return facts
      await learn(facts)
      return facts.filter(({ subject, data }) => {
        const id = jobIdOf(subject)
        if (id !== undefined) return vos.get(id) === vo
        if (subject.startsWith('submission:')) return data.vo === vo
        return subject.startsWith('vm:') || subject.startsWith('cloud:') || subject.startsWith('image:')
      })
    },
  }
}

function jobIdOf(subject: string): JobId | undefined {
  if (!subject.startsWith('job:')) return undefined
  const id = Number(subject.slice('job:'.length))
  return isJobId(id) ? id : undefined
}
