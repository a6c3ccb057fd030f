/**
 * Who calls. A user is known by VO, group and name and has roles; a VM is known by its id and may touch only its own leases.
 *
 * Roles: user (submits and steers own jobs), operator (sees and steers every VO's), admin (issues tokens besides).
 */

import type { Owner } from '../model/owner.ts'

/** How far a caller may reach with a method. */
export type Reach = 'none' | 'own' | 'vo' | 'any'

/** Whether something that belongs to `owner` is within reach. */
export function reaches(reach: Reach, caller: Owner, owner: Owner): boolean {
  switch (reach) {
    case 'none':
      return false
    case 'own':
      return caller.vo === owner.vo && caller.group === owner.group && caller.owner === owner.owner
    case 'vo':
      return caller.vo === owner.vo
    case 'any':
      return true
  }
}
