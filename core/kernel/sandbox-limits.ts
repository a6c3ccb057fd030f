/** The numbers of sandboxes, with where they come from: as limits.ts, which is full. Sizes are bytes, times milliseconds. */

const minutes = 60 * 1000
const hours = 60 * minutes
const gib = 1024 * 1024 * 1024

/**
 * DIRAC takes 10 MB per job; analyses of experiments bring libraries and histograms of some hundred. A directory
 * of 200 files with long names fits in the description of a job. `ownerBytes`: what is stored for one owner; an installation
 * says another number. `patternLength`: of a pattern of output files.
 */
export const sandboxLimits = {
  fileBytes: 1 * gib,
  /** Of all input files of a job, and of all output files of an attempt. */
  jobBytes: 4 * gib,
  ownerBytes: 100 * gib,
  inputFiles: 200,
  outputFiles: 1000,
  outputPatterns: 50,
  patternLength: 256,
  pathBytes: 1024,
  /** What Linux takes. */
  nameBytes: 255,
  depth: 32,
  digestsPerCall: 1000,
  /** A file that no job names is stored for this time after it was put, or asked for. */
  unnamedMs: 24 * hours,
  /** A file that is not whole after this time does not become so: far below `unnamedMs`. */
  putWithinMs: 6 * hours,
  /** Transfers under way: per caller, in a process, and those that wait for their turn. */
  transfersPerCaller: 8,
  transfers: 32,
  waitingTransfers: 2000,
  /** A transfer that moves nothing for this time is lost. */
  stallMs: 5 * minutes,
  /** Of a file that arrives on a disk: a commit of the store waits while they are written, 5 ms at 200 MiB/s. */
  unsyncedBytes: 1024 * 1024,
  /** Pieces that a process moves in one turn of its event loop: some 0.1 ms each, so others wait for half a millisecond. */
  piecesPerTurn: 4,
  /**
   * 31 MiB/s: a sixth of a processor, all threads of the process counted. A process has one thread for matches, and few
   * machines have a network on which so much is little; more is a matter of more processes.
   */
  piecesPerSecond: 500,
  /** After such a turn comes a pause of its own time, and no longer than this. */
  longestPauseMs: 100,
} as const
