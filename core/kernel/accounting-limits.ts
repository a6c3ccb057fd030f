/** The numbers of accounting, with where they come from: as limits.ts, which is full. */

const days = 24 * 60 * 60 * 1000

/** Usage records: a quarter and a month, in which accounts are settled. The daily sums are kept for ever. */
export const keepUsageRecordsMs = 120 * days

/** Usage is looked at by people, and by programs once a day. */
export const accountEveryMs = 5000
