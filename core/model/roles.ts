/**
 * The names of the role leases: what one process at a time may do, and the numbered seats by which processes know of each
 * other.
 */

/** Numbered seats: the first free number is taken. */
export type Seats = { readonly prefix: string; readonly max: number }

/** Of the processes that serve pilots. */
export const apiSeats: Seats = { prefix: 'api:', max: 64 }

/** Of the processes that serve no pilots and still end attempts: they charge usage and hand it on. */
export const chargerSeats: Seats = { prefix: 'charger:', max: 64 }

/** Gives up leases that ended, and forgets old jobs. */
export const sweeperRole = 'sweeper'

/** Turns facts into usage records. */
export const accountantRole = 'accountant'
