/**
 * Who submits and who calls. A user is known by VO, group and name and has roles; a VM is known by its id and may touch only
 * its own leases.
 *
 * Roles: user (submits and steers own jobs), operator (sees and steers every VO's), admin (issues tokens besides).
 */

import type { VmId } from '../kernel/ids.ts'

/** Who submitted it. */
export type Owner = { readonly vo: string; readonly group: string; readonly owner: string }

export const userRoles = ['user', 'operator', 'admin'] as const

export type UserRole = (typeof userRoles)[number]

export type User = { readonly kind: 'user'; readonly owner: Owner; readonly roles: readonly UserRole[] }

export type Identity = User | { readonly kind: 'vm'; readonly vmId: VmId }
