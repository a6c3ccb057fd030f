/**
 * What a process does of an installation's work. Any number of processes have each role; one process may have all of them.
 */

export const processRoles = ['api', 'director', 'sweeper', 'dashboard'] as const
export type ProcessRole = (typeof processRoles)[number]
