/** A rule: whether what is offered is what is wanted, and both as texts for people. */

export type Rule<Wish, Offered> = {
  readonly name: string
  /** False: there is nothing to say of it, and it holds. Absent: there always is. */
  isAsked?(wish: Wish): boolean
  holds(wish: Wish, offered: Offered): boolean
  wanted(wish: Wish): string
  offered(offered: Offered): string
}

export type RuleOutcome = {
  readonly rule: string
  readonly holds: boolean
  readonly wanted: string
  readonly offered: string
}

export function outcomesOf<Wish, Offered>(
  rules: readonly Rule<Wish, Offered>[],
  wish: Wish,
  offered: Offered,
): readonly RuleOutcome[] {
  return rules
    .filter((rule) => rule.isAsked?.(wish) ?? true)
    .map((rule) => ({
      rule: rule.name,
      holds: rule.holds(wish, offered),
      wanted: rule.wanted(wish),
      offered: rule.offered(offered),
    }))
}

export function allHold<Wish, Offered>(rules: readonly Rule<Wish, Offered>[], wish: Wish, offered: Offered): boolean {
  // A loop: a plan asks it for each task queue and each kind of place.
  for (const rule of rules) {
    if (rule.isAsked && !rule.isAsked(wish)) continue
    if (!rule.holds(wish, offered)) return false
  }
  return true
}

export function ruleText({ rule, wanted, offered }: RuleOutcome): string {
  return `${rule}: wanted ${wanted}, offered ${offered}`
}

export const notKnown = 'not known'
