/** What a name stands for in a cloud: exactly one thing, or the order is refused. A guess would create the wrong VM. */

import { PilotageError } from '../../../../core/kernel/errors.ts'

const shownIds = 5

/** Throws `cloud-refused`, with the ids where there are several. `what`: for the error. */
export function onlyOne<T>(found: readonly T[], what: string, idOf: (one: T) => string): T {
  const [one] = found
  if (one !== undefined && found.length === 1) return one
  if (one === undefined) throw new PilotageError('cloud-refused', `there is no ${what}`)
  const ids = found.slice(0, shownIds).map(idOf)
  const more = found.length > shownIds ? ', ...' : ''
  throw new PilotageError(
    'cloud-refused',
    `there are several of ${what}: ${ids.join(', ')}${more}; name one of them by its id`,
  )
}
