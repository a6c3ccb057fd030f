/** How far a caller may reach with an action: to nothing, to what is the own, to what is of the own VO, to everything. */

import type { Owner } from '../model/owner.ts'

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
