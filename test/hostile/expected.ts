/**
 * What each kind of isolation lets through by design. Whatever is not written here must be held.
 *
 * `plain` isolates nothing: its list of attacks is the honest description of it. An attack that no longer works, or a new one
 * that does, makes the list untrue and fails the suite as well.
 */

export type Expectation = {
  /** What any attack may reach, with the reason. */
  readonly whats: Readonly<Record<string, string>>
  /** Attacks that do reach something. */
  readonly reach: readonly string[]
  /** Attacks that may win or lose: both are right here, because the outcome is a matter of time. */
  readonly either: readonly string[]
}

const careless = 'its owner has opened it to every account of the machine'

/** Payloads share the machine's network: they read from CVMFS, squids and storage. */
const sharedNetwork = { 'neighbour-open-socket': 'abstract sockets belong to the network, which is shared' }
const namespaces: Expectation = { whats: sharedNetwork, reach: [], either: [] }

export const expectations: Readonly<Record<string, Expectation>> = {
  namespaces,
  'namespaces-unshare': namespaces,
  'namespaces-vm': namespaces,
  'namespaces-vm-unshare': namespaces,
  'namespaces-root': namespaces,
  accounts: {
    whats: {
      'neighbour-open-home': careless,
      'neighbour-open-tmp': careless,
      'neighbour-open-shm': careless,
      'neighbour-open-sysv': careless,
      'neighbour-open-socket': careless,
    },
    reach: [],
    either: [],
  },
  plain: { whats: {}, reach: [], either: [] },
}
