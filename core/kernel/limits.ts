/**
 * The numbers that matter, with where they come from. Their relations are asserted when the program starts.
 *
 * Sizes are bytes, times are milliseconds. What an operator may change stands in services/config/document.ts, with these as
 * defaults.
 */

import { assert } from './assert.ts'

const seconds = 1000
const minutes = 60 * seconds
const hours = 60 * minutes
const days = 24 * hours
const kib = 1024
const mib = 1024 * kib
const gib = 1024 * mib

/** Submission. DIRAC stops at 20 to 100 jobs a call and its users keep asking for more. */
export const jobsPerCall = 10_000
/**
 * Jobs of a call that are decoded, checked or packed in one turn of the event loop: some 2 ms. Others wait for one turn, not
 * for the call.
 */
export const jobsPerTurn = 250
/**
 * Jobs of a submission that the embedded store writes in one transaction, which other commits may wait for: some 8 ms. A
 * larger submission is written in several.
 */
export const jobsPerTransaction = 2000
export const requestBytes = 16 * mib
/** Jobs that were there before and that jobs of one call wait for: each of them is read and changed. */
export const otherJobsPerCall = 10_000

/**
 * Bulk work: jobs of a call that names them (a filter selects any number), and jobs that are steered in one write, some 10
 * ms of the store's time. After each slice the others have as long as the slice took, at most the pause.
 */
export const bulkLimits = { jobs: 100_000, slice: 500, longestPauseMs: 25 } as const

/** Fields of all jobs of a call, counted before they are decoded. 10 000 jobs of a hundred arguments and variables each. */
export const submissionElements = 1_000_000
export const idempotencyKeyLength = 128

export const jobLimits = {
  nameLength: 128,
  /** Of a job group and a job type: twice what DIRAC's database has room for. */
  labelLength: 64,
  pathLength: 4096,
  arguments: 1000,
  argumentLength: 8 * kib,
  environment: 200,
  environmentNameLength: 128,
  environmentValueLength: 8 * kib,
  /** One job's description in all; the perf study of the field suggests 64 KiB against description bombs. */
  specBytes: 64 * kib,
  /** Names of sites, clouds, platforms and tags: 40 MB for all the task queues that an owner may have, in each process. */
  requirementListBytes: 4 * kib,
  names: 200,
  nameInListLength: 64,
  cores: 1024,
  memoryBytes: 16 * 1024 * gib,
  minMemoryBytes: 16 * mib,
  minFlavorMemoryBytes: 64 * mib,
  diskBytes: 1024 * 1024 * gib,
  /** A scratch disk: from a floppy's to a node's with NVMe in parallel. */
  minDiskRate: 1024 * 1024,
  diskRate: 100 * gib,
  /** Sets of requirements of which one has to hold: DIRAC's prototype has one per site or kind of resource. */
  alternatives: 8,
  /** Of one VM: clouds have up to 16. */
  gpus: 64,
  minGpuMemoryBytes: 64 * mib,
  gpuMemoryBytes: 16 * 1024 * gib,
  /** All cores of a large node for a month, at the power of the fastest. */
  cpuWorkMs: 1_000_000 * days,
  minWallMs: 1 * seconds,
  wallMs: 30 * days,
  priority: 9,
  attempts: 10,
  machineLosses: 100,
  /** Jobs that one job waits for. */
  dependencies: 1000,
  /** Of all jobs of a call: ten per job of the largest one. They are written in one transaction. */
  dependenciesPerCall: 100_000,
} as const

export const jobDefaults = {
  cores: 1,
  /** What a WLCG core has: 2 GB. */
  memoryBytes: 2 * gib,
  diskBytes: 2 * gib,
  flavorDiskBytes: 8 * gib,
  /** DIRAC's default of a day. */
  wallMs: 24 * hours,
  attempts: 3,
  /** A job that ends every VM it runs on ends after this many. */
  machineLosses: 10,
} as const

/**
 * Leases. DIRAC needs 2 to 3.5 h to notice a lost worker, HTCondor 40 min; a renewal a third of the lease lets two be lost.
 */
export const leaseMs = 90 * seconds
export const renewEveryMs = 25 * seconds
/** The pilot stops a payload this time before its lease ends unrenewed: stop signal, grace and kill fit in. */
export const leaseMarginMs = 20 * seconds
export const sweepEveryMs = 2 * seconds

/** VMs. */
/** A pilot that has said nothing in this time will not: Node starts in a second, a starved machine in ten. */
export const pilotStartMs = 60 * seconds
/** What a VM was found to have corrects its offering for this time; then work that fits the promise alone makes another. */
export const measuredSizeKeepMs = 24 * hours
/** A VM proves what it was made from if it was healthy and of use for this time. */
export const provenAfterMs = 2 * minutes
export const activationKeepMs = 15 * minutes
export const heartbeatIntervalMs = 15 * seconds
/** No heartbeat for this time, and the cloud does not say that it runs: lost. With the cloud saying so: unhealthy. */
export const heartbeatTimeoutMs = 3 * minutes
export const bootMs = 15 * minutes
export const vmIdleMs = 5 * minutes
export const vmLifeMs = 7 * days
/** A VM without its service for this time stops by itself. */
export const contactTimeoutMs = 30 * minutes
export const clockSkewMs = 60 * seconds
/**
 * Clocks of the service's processes differ by less. A stored time that lies further ahead than the policy and this allow was
 * written before a clock was put back, and is cut.
 */
export const processSkewMs = 5 * seconds

/** One rendered context of the local cloud: it is written and read by us. */
export const userDataBytes = 16 * kib
/** The end of a console log that a cloud driver hands on. */
export const consoleBytes = 64 * kib

/** Where every squid listens; its own default. */
export const squidPort = 3128

/**
 * Images. Names are given once and images never forgotten; all are read in every step of the director, some hundred bytes
 * each. A site that renews ten images a month fills this in eight years.
 */
export const imageLimits = {
  images: 1000,
  /** As many as a configuration has clouds. */
  references: 100,
  referenceLength: 1024,
  approvals: 100,
  reasonLength: 1000,
} as const

/** Director. */
export const directorEveryMs = 10 * seconds
/** No driver lets a call to a cloud last longer; a director that takes a cloud over waits for longer than that. */
export const cloudCallMs = 20 * seconds
/** Lists of big clouds come from replicas that lag: a new machine may be missing, and a deleted one shown, for this time. */
export const listLagMs = 2 * minutes
/** A list of a cloud older than this freezes everything that would destroy. */
export const listStaleMs = 2 * minutes
/**
 * A machine that its cloud has not ended after this number of tries and this time is for people. Clouds take minutes where a
 * host copies disks back; 10 minutes is what cloud drivers wait elsewhere as well. From then on it is asked for less often.
 */
export const stuckTries = 10
export const stuckMs = 10 * minutes
export const stuckAgainMs = 1 * minutes

/** Roles. Within this time another process takes over the roles of one that crashed. */
export const takeOverMs = 15 * seconds
/** Two of three renewals may come late or never before a role is lost. */
export const roleHoldMs = 10 * seconds
export const roleRenewEveryMs = 3 * seconds
/**
 * A holder stops this time before its lease is over: clocks that drift, and what passes between a last look and the deed.
 */
export const roleMarginMs = 1 * seconds

/**
 * Waiting jobs, held ones included. LHCb had 872 000 waiting jobs in 501 task queues; a million jobs of one owner must go
 * in. A task queue costs some kilobytes in the store, the matcher and the plan (docs/benchmarks.md has what 10 000 of them
 * do).
 */
export const waitingQuota = {
  owner: { jobs: 2_000_000, taskQueues: 10_000 },
  vo: { jobs: 5_000_000, taskQueues: 20_000 },
} as const

/**
 * How often the owner of a job may have it run again while it runs: DIRAC's limit. An operator's is none.
 */
export const maxReschedules = 3

/** Matching. */
/** Task queues that are read from the store in one step of a plan: some 5 microseconds each. */
export const queuesPerSlice = 500
/**
 * A job that needs more than jobs leave free at one time waits for a VM to be kept for it: longer than a VM takes to boot
 * in most clouds, since a new VM is the better answer.
 */
export const reserveAfterMs = 5 * minutes
export const windowJobs = 512
export const jobsPerOffer = 256
/**
 * After a claim beyond the record of its VM a pilot's offers are left alone for this long: a few refused claims per minute.
 */
export const overclaimPauseMs = 5 * seconds
/** Fair share forgets half of what an owner used in this time; HTCondor's default is a day. */
export const usageHalfLifeMs = 24 * hours
/** What a start counts for at least while its real use is not known, in milliseconds of each core: a minute. */
export const usageAdvanceMs = 1 * minutes

/** Payloads. */
export const outputBytes = 1 * mib
export const outputChunkBytes = 64 * kib
export const stopGraceMs = 10 * seconds
/**
 * An attempt that could not be started costs its job no try, up to this number of attempts. Beyond, each counts, so that a
 * job which no machine can start ends. A VM calls itself unhealthy after three of them in a row: these are ten such VMs.
 */
export const freeAttempts = 30
/** Files and folders of one payload. A large software tree has 300 000; a file system of 100 GiB has 6 million in all. */
export const payloadEntries = 500_000
/**
 * Texts of agents, in characters: what lies beyond is cut off. `isolation`: a kind, a tool with its version, a count.
 */
export const agentTextLimits = { state: 20, reason: 200, isolation: 100, version: 40 } as const
/** Processes and threads of one payload, where a cgroup counts them. systemd gives a service 15 % of 32 768, some 4 900. */
export const payloadProcesses = 4096

/**
 * Reading what a payload writes, while it writes. An interest is renewed while its user reads, and what was sent is removed
 * `keepMs` after the last one ended. `inAll`: each is at most `outputBytes`, in memory or in the store. A line is seen
 * within a second: the pilot looks every `tailEveryMs`, the reader every `readEveryMs`.
 */
export const liveOutputLimits = {
  inAll: 64,
  interestMs: 30 * seconds,
  renewMs: 10 * seconds,
  keepMs: 60 * seconds,
  tailEveryMs: 200,
  readEveryMs: 200,
  /** A job that does not run is read again in this time, if no hint says so earlier. */
  jobEveryMs: 1 * seconds,
  /** A pilot that has nothing new asks after this time whether a user still reads. */
  askEveryMs: 5 * seconds,
  /** A user who does not follow waits at most this long for the first answer of the pilot. */
  answerMs: 10 * seconds,
  /** Outputs that one pilot sends at a time. */
  perPilot: 16,
} as const

/** Calls that last. A caller that moves nothing for this time is cut; clients resume, as after every loss of the service. */
export const streamLimits = { stallMs: 5 * minutes } as const

/**
 * How large a message of each kind may be, its framing included. The issue's own numbers are 8 KiB and 64 KiB pieces. `ids`:
 * 10 000 ids of up to 8 bytes each; `manyIds`: 100 000. `session`: all attempts of a VM with 1024 cores reported, held and
 * renewed in one message, after a reconnect, at some 200 bytes each. `image`: an entry with 100 references of 1 KiB, and its
 * signature.
 */
export const messageBytes = {
  small: 8 * kib,
  piece: outputChunkBytes + 4 * kib,
  ids: 128 * kib,
  manyIds: 1 * mib,
  session: 256 * kib,
  image: 256 * kib,
  submission: requestBytes + 64 * kib,
} as const

/** A page of jobs. Every gRPC client takes messages of 4 MiB; the rest is for its framing. */
export const answerBytes = 3.9 * mib

/** What callers may hold in messages that are not complete or not answered: two of the largest each, six in all. */
export const unfinishedBytes = { perCaller: 2 * messageBytes.submission, inAll: 6 * messageBytes.submission } as const
/** Messages up to this size are not counted: 100 streams of them are less than one large one. */
export const uncountedBytes = 128 * kib
/** 16 MiB in this time are 2.3 Mbit/s. A message that takes longer is sent in smaller parts, or not at all. */
export const messageWithinMs = 60 * seconds
/** Anonymous callers send some hundred bytes. */
export const anonymousMessageWithinMs = 10 * seconds

/**
 * Connections. An agent has one or two, a user's command one. 100 streams: a client's own pool opens another connection
 * where it needs more. A stranger's connection costs some 50 KiB: 256 of them per address and 1024 in all are below the 100
 * MB that a flood may cost. `accept`: a thousand VMs behind one address are back 10 s after a restart.
 */
export const connectionLimits = {
  streams: 100,
  inAll: 10_000,
  perAddress: 4000,
  perUser: 256,
  perVm: 16,
  strangersInAll: 1024,
  strangersPerAddress: 256,
  /** A connection on which no call has shown a credential is closed after this time. */
  strangerMs: 20 * seconds,
  accept: { perSecond: 100, burst: 1000 },
  /** A new connection of an address that is above its refusals counts as this many. */
  suspectCost: 10,
  /** Calls refused for what they are (no credential, a wrong one, too large, compressed): beyond, the connection is cut. */
  refusals: { perSecond: 20, burst: 200 },
  /** A connection whose other side is silent for this time is cut: then a frozen VM gets no job any more. */
  keepaliveMs: 30 * seconds,
  maxAgeMs: 2 * hours,
  /** Longer than any call that is made only once. */
  ageGraceMs: 1 * minutes,
  idleMs: 10 * minutes,
} as const

/**
 * Load of one user, in calls: a read of one thing is 1 and takes the service's thread some 0.2 ms, so the rate is half of
 * that thread. A page counts one per 20 jobs, a submission one per 16 KiB and one per 100 jobs. A submission of 10 000 jobs
 * in 2 MiB is 230; the bench's 3 000 submissions of one job per second are 780.
 */
export const loadLimits = {
  callsPerSecond: 2500,
  /** Times the rate: a command that reads 100 000 jobs is never refused. */
  burstSeconds: 2,
  jobsPerUnit: 20,
  /** Ids that are only read. */
  idsPerUnit: 200,
  submittedJobsPerUnit: 100,
  bytesPerUnit: 16 * kib,
  /**
   * Each message of a pilot and each report and renewal in it: 10 000 per second; above, its stream is read later. The
   * bench's pilots, which end 1 500 jobs per second each, send some 4 000.
   */
  pilotEventCost: 0.25,
  /** A call waits for its turn as long as this, and not more of them than that; then it is refused. */
  waitMs: 2 * seconds,
  waiting: 100,
  /** Calls of one caller under way, streams included. */
  calls: 512,
  /**
   * Large pages of one user that are read at one time. After each the place stays taken for as long as the page took (at
   * most this): whatever a page costs on this machine, one user's pages use half of the time, and others wait for one page
   * at most.
   */
  reads: 1,
  longestReadPauseMs: 100,
  /** Pages up to the default size do not wait: such a page costs as much as any call. */
  smallPage: 100,
  /** Anonymous calls under way per address: activations, health, reflection. */
  anonymousCalls: 64,
  watches: 100,
  watchedJobs: 200_000,
  watchedJobsInAll: 1_000_000,
} as const

/**
 * Watches: one reader per process. A batch is read and encoded in some 5 ms, and followed by a pause of twice its time: all
 * watches together use a third of the thread, and others wait for one batch at most. Changes within `gatherMs` are sent
 * together. Without any hint all watched jobs are read in `allEveryMs`, or as fast as a batch per `turnEveryMs` goes: 2 000
 * per second.
 */
export const feedLimits = {
  batch: 250,
  /** Jobs of a watch that ended that are dropped at one time: a millisecond. */
  dropped: 1000,
  pauseTimes: 2,
  gatherMs: 50,
  allEveryMs: 5 * seconds,
  turnEveryMs: 125,
  retryMs: 1 * seconds,
  longestPauseMs: 200,
} as const

/** Keeping. */
export const keepEndedMs = 30 * days

/**
 * Tokens: WLCG's profile says 1 h by default and 6 h at most for access tokens that travel; ours are for a person's own
 * file.
 */
export const tokenMs = 24 * hours
export const tokenMaxMs = 30 * days
export const tokenSkewMs = 60 * seconds

export const page = { default: 100, max: 1000 } as const

assert(connectionLimits.ageGraceMs > 30 * seconds, 'a call that is made once outlives its connection going away')
assert(liveOutputLimits.renewMs * 2 < liveOutputLimits.interestMs, 'an interest outlives a renewal that is late')
assert(renewEveryMs * 3 < leaseMs, 'two renewals may be lost before a lease ends')
assert(
  connectionLimits.keepaliveMs + renewEveryMs < leaseMs,
  'a frozen VM has no connection any more when its lease ends: it is not given the job that it just lost',
)
assert(leaseMarginMs > stopGraceMs, 'a payload can be stopped gracefully before its lease ends')
assert(leaseMs - leaseMarginMs > 2 * renewEveryMs, 'a payload is not stopped for one lost renewal')
assert(pilotStartMs + 2 * heartbeatIntervalMs < provenAfterMs, 'what never starts is said before a VM counts as proven')
assert(heartbeatIntervalMs * 3 < heartbeatTimeoutMs, 'a VM is not lost for two lost heartbeats')
assert(contactTimeoutMs > 2 * leaseMs, 'a VM outlives its leases when the service is gone')
assert(roleHoldMs + roleRenewEveryMs < takeOverMs, 'the next to try finds the role of a crashed process in time')
assert(roleHoldMs - roleMarginMs > 2 * roleRenewEveryMs, 'a role is not lost for one lost renewal')
assert(listStaleMs > 3 * directorEveryMs, 'a list is not stale after one failed cycle')
