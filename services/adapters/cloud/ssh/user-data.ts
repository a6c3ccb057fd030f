/** The size of a context that is delivered over SSH. */

import type { UserDataLimit } from '../../../../core/model/cloud.ts'

/** Our own limit: the context is written to a file on the host, and a larger one is a mistake. */
export const userDataLimit: UserDataLimit = { maxBytes: 1024 * 1024, counted: 'plain' }
