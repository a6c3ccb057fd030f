/**
 * What each kind of isolation lets through by design. Whatever is not written here must be held.
 *
 * `plain` isolates nothing: its list of attacks is the honest description of it. An attack that no longer works, or a new
 * one that does, makes the list untrue and fails the suite as well.
 */

export type Expectation = {
  /** What any attack may reach, with the reason. */
  readonly whats: Readonly<Record<string, string>>
  /** Attacks that do reach something. */
  readonly reach: readonly string[]
  /** Attacks that may win or lose: both are right here, because the outcome depends on the machine or on time. */
  readonly either: readonly string[]
  /** Attacks that have no meaning there, with the reason: they are not tried, and every other attack is. */
  readonly absent?: Readonly<Record<string, string>>
}

const careless = 'its owner has opened it to every account of the machine'

/** Payloads share the machine's network: they read from CVMFS, squids and storage. */
const sharedNetwork = { 'neighbour-open-socket': 'abstract sockets belong to the network, which is shared' }
/**
 * Memory segments that no process has attached are counted by a delegated cgroup alone; the VM of the e2e scenario has one.
 */
const withoutCgroup = ['shared-segments']
const notSubmitted = 'the service refuses such a description, so that it never reaches a pilot'
/** Attacks on the booted machine of the e2e scenario are ordinary jobs, and its pilot has a cgroup of its own. */
const booted: Expectation = {
  whats: sharedNetwork,
  reach: [],
  either: [],
  absent: {
    'agent-names': `a variable PILOTAGE_...: ${notSubmitted}`,
    'bash-functions': `variables BASH_FUNC_...%%: ${notSubmitted}`,
    'environment-flood': `3000 variables: ${notSubmitted}`,
    'names-like-options': `variables that begin with dashes: ${notSubmitted}`,
    shellshock: `a variable BASH_FUNC_x%%: ${notSubmitted}`,
  },
}
const namespaces: Expectation = { whats: sharedNetwork, reach: [], either: withoutCgroup }

/** Without isolation: what a payload may read, write, end and leave behind because it is the pilot's own user. */
const plainReaches = [
  'abstract-sockets',
  'arguments-like-options',
  'environment-flood',
  'hard-links',
  'inherited-powers',
  'kill-all',
  'ld-audit',
  'ld-debug-output',
  'ld-preload',
  'ld-profile',
  'litter-in-tmp',
  'litter-with-links',
  'prepared-directory',
  'proc-cmdline',
  'proc-environ',
  'proc-root',
  'read-journal',
  'read-neighbour',
  'read-secrets',
  'search-machine',
  'set-uid-program',
  'shared-memory',
  'shm-file',
  'stop-all',
  'tmp-file',
  'user-keyring',
  'var-tmp-file',
  'working-directory',
  'write-to-agents',
]
/** The pilot looks for what is left of a payload, and may or may not see it in time. */
const matterOfTime = [
  'fork-chain',
  'fork-chain-sessions',
  'fork-chains-many',
  'fork-chain-stopped',
  'daemon',
  'daemon-late',
  'dead-leader',
  'sibling-of-its-parent',
  'vfork-and-exec',
  'chain-that-steals',
  'thread-that-steals',
  'litter-late',
  'kills-what-measures',
  'pilot-status',
  'zombies',
  'tracer-of-the-next',
  'own-namespaces',
  'folder-in-use',
  'ignores-signals',
  'stopped-process',
]
/** Kernels differ in who may trace whom, and in whether ordinary users may make namespaces and rings. */
const matterOfKernel = [
  'own-user-namespace',
  'mounts',
  'unmount-the-sandbox',
  'chroot-escape',
  'io-uring',
  'ptrace',
  'process-vm-readv',
  'proc-mem',
  'pidfd-getfd',
  'limits-of-the-pilot',
  'debug-port',
  'proc-fd',
]

export const expectations: Readonly<Record<string, Expectation>> = {
  namespaces,
  'namespaces-unshare': namespaces,
  'namespaces-vm': namespaces,
  'namespaces-vm-unshare': namespaces,
  // Payloads of a pilot that is root share an account, and with it the keyring that the kernel has for that account.
  'namespaces-root': { ...namespaces, either: [...withoutCgroup, 'user-keyring'] },
  accounts: {
    whats: {
      'neighbour-open-home': careless,
      'neighbour-open-tmp': careless,
      'neighbour-open-shm': careless,
      'neighbour-open-sysv': careless,
      'neighbour-open-socket': careless,
    },
    reach: [],
    either: withoutCgroup,
  },
  booted,
  plain: { whats: {}, reach: plainReaches, either: [...withoutCgroup, ...matterOfTime, ...matterOfKernel] },
}
