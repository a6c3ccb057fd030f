/** What the contract suites of the store are given: how to open the adapter that is tried. */

import type { Store } from '../../core/ports/store.ts'

export type StoreHarness = {
  readonly store: Store
  /** Closes it and opens it on the same data; absent where nothing outlives a close. */
  readonly reopen?: () => Promise<Store>
}
