/**
 * What an attack is: the payloads that try it, what they may find, and what counts as reached.
 *
 * An attack never judges itself. It prints and sends what it has found; judge.ts looks for canaries, for code that ran with
 * another account's powers, and for what is left. The texts of an attack need nothing but the machine's own tools, so that
 * they can be submitted as ordinary jobs.
 */

/** What an attack may have reached, in one or two words; the judge adds the evidence. */
export type Reach = { readonly what: string; readonly evidence: string }

/** Of a payload that asks for no time of its own. */
export const defaultWallMs = 15_000

/** A job as an attack submits it. */
export type Payload = {
  readonly executable: string
  readonly arguments: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly memoryBytes?: number
  readonly diskBytes?: number
  readonly wallMs?: number
}

/** Tools that a machine may lack. */
export type Tool = 'gcc' | 'python3' | 'bash' | 'x64'

/** The machine as an attacker knows it: all of these are guessable, none is secret. */
export type Scene = {
  /** Unique to this run of this attack: what carries it is the attack's. */
  readonly marker: string
  /** Where the suite listens for datagrams: host and port. */
  readonly listener: string
  readonly port: number
  /** Files that hold a canary each, by the secret's name. */
  readonly secretFiles: Readonly<Record<string, string>>
  /** The VM's own folders. */
  readonly credentialDir: string
  readonly workDir: string
  readonly programsDir: string
  readonly serviceDir: string
  /** A folder of root's whose files must survive. */
  readonly rootDir: string
  /** The folder of the planter: a payload that runs at the same time and has put tools of the attackers there. */
  readonly plantDir: string
  /** The number of the pilot's process in the machine's own numbering. */
  readonly pilotPid: number
  /** The directory that the pilot makes for the attack, and for its partner. */
  readonly ownDir: string
  readonly partnerDir: string
}

/** The attacked machine as root sees it once the attack is over. */
export type Machine = {
  isThere(path: string): boolean
  /** Of what is in a folder; none where there is no such folder. */
  namesIn(folder: string): readonly string[]
}

/** What can be seen once an attack is over. */
export type Outcome = {
  readonly end: string
  readonly exitCode: number
  readonly detail: string
  /** stdout and stderr of the attack and of its partner, and the datagrams that carried its marker. */
  readonly text: string
  readonly wallMs: number
}

export type Attack = {
  readonly name: string
  readonly about: string
  /** What it would reach, in plain words. */
  readonly reaches: string
  readonly needs?: readonly Tool[]
  /**
   * `alone`: nothing else runs on its VM but the neighbour, because it may end the pilot or starve it.
   * `reuse`: as `alone`, and the account is given to another VO's payload afterwards, which lists what it finds.
   */
  readonly mode?: 'alone' | 'reuse'
  /** It starts processes that try to outlive it: they are looked for after its end. */
  readonly lingers?: boolean
  /** The end is forced by a stop command this many milliseconds after its start. */
  readonly stopAfterMs?: number
  readonly payload: (scene: Scene) => Payload
  /** A second payload of another VO that works with it: it starts first and ends last. */
  readonly partner?: (scene: Scene) => Payload
  /** What the common judge sees already needs no word here. */
  readonly judge?: (scene: Scene, outcome: Outcome, machine: Machine) => readonly Reach[]
}

/** A POSIX shell script as a job. */
export function sh(script: string, more: Partial<Payload> = {}): Payload {
  return { executable: '/bin/sh', arguments: ['-c', script], ...more }
}

export function perl(script: string, more: Partial<Payload> = {}): Payload {
  return { executable: '/usr/bin/perl', arguments: ['-e', script], ...more }
}

export function python(script: string, more: Partial<Payload> = {}): Payload {
  return { executable: '/usr/bin/python3', arguments: ['-c', script], ...more }
}
