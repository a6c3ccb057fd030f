/** What a starting process has opened, closed in the reverse order whatever happens: one that fails keeps no other open. */

import type { Log } from '../../core/ports/log.ts'

export type Disposables = { add(close: () => Promise<void> | void): void; all(): Promise<void> }

export function openDisposables(log: Log): Disposables {
  const open: (() => Promise<void> | void)[] = []
  return {
    add: (close) => void open.push(close),
    async all() {
      for (const close of open.splice(0).reverse()) {
        await Promise.resolve()
          .then(close)
          .catch((error: unknown) => log.error({ err: error }, 'stopping'))
      }
    },
  }
}
