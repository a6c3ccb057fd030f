/** The size of a context that OpenNebula takes. */

import type { UserDataLimit } from '../../../../core/model/cloud.ts'

const kib = 1024

/**
 * OpenNebula states no limit. Its context scripts pass user data on as a variable; Linux takes 128 KiB of one with its name.
 */
export const userDataLimit: UserDataLimit = { maxBytes: 128 * kib - 32, counted: 'base64' }
