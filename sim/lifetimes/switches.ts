/**
 * The rules of the director that a run of lifetimes may do without, to prove that it notices. Each is a false answer
 * to the director from the cloud or the store, or a number that makes the rule idle.
 *
 * confirm-delete  a record ends with the cloud's promise to delete, not with the machine
 * lookup          a create of unknown outcome is asked for again, or given up, without waiting for what the lists show
 * intent          the cloud is asked before the record is kept
 * order           the order of one VM is sent for another when it is asked for again
 * orphans         machines that no live record stands for are not seen
 * gate            every image may be used, whatever was decided since
 */

export const lifetimeRules = ['confirm-delete', 'lookup', 'intent', 'order', 'orphans', 'gate'] as const
export type LifetimeRule = (typeof lifetimeRules)[number]
