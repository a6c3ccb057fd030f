/** The size of a context that Nova takes as user data; a larger one is refused before the call. */

import type { UserDataLimit } from '../../../../core/model/cloud.ts'

/** Nova's API: the field `user_data` has at most 65535 characters, and they are base64. */
export const userDataLimit: UserDataLimit = { maxBytes: 65_535, counted: 'base64' }
