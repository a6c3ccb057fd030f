/**
 * What each VO should have had: the cores in use, divided by the weights of the VOs, and none more than it asked for. What
 * one VO does not need goes to the others by their weights (max-min fairness).
 *
 * A yardstick for reports. It steers nothing.
 */

export type Weighted = { readonly weight: number; readonly demand: number }

/** How much of `total` each gets, in the order given. The sum is `total`, or the sum of all demands where that is less. */
export function fairShares(total: number, wishes: readonly Weighted[]): readonly number[] {
  const given = wishes.map(() => 0)
  let left = total
  let open = wishes.flatMap(({ weight, demand }, at) => (weight > 0 && demand > 0 ? [at] : []))
  while (open.length > 0) {
    const weights = open.reduce((sum, at) => sum + (wishes[at]?.weight ?? 0), 0)
    const part = left / weights
    const full = open.filter((at) => (wishes[at]?.demand ?? 0) <= part * (wishes[at]?.weight ?? 0))
    if (full.length === 0) {
      for (const at of open) given[at] = part * (wishes[at]?.weight ?? 0)
      break
    }
    for (const at of full) {
      given[at] = wishes[at]?.demand ?? 0
      left -= given[at] ?? 0
    }
    open = open.filter((at) => !full.includes(at))
  }
  return given
}
