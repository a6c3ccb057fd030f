/**
 * Several attacks as one payload, one after the other: the start of a payload costs an emulated processor more than most
 * attacks do. Each has a marker of its own and its own part of the output, and is judged by itself.
 *
 * What does not share a payload: attacks on the start itself (the environment), on limits, on what comes after the end, and
 * those that end or spoil the payload that they run in.
 */

import { type Attack, type Payload, perl } from '../hostile/attack.ts'
import { diskAttacks } from '../hostile/attacks/disk.ts'
import { environmentAttacks } from '../hostile/attacks/environment.ts'

const maxInBatch = 10
/**
 * The chains take a processor for as long as they live, the others write over the output or depend on the moment of the end.
 */
const spoilers = [
  'fork-chain',
  'fork-chain-sessions',
  'fork-chains-many',
  'fork-bomb',
  'daemon-late',
  'daemon-keeps-pipes',
  'holds-descriptor-of-output',
  'output-as-link',
  'output-as-pipe',
  'output-read-back',
  'descriptors-to-the-pilot',
]
/** Of one attack in a batch, on any machine; what is not over then is ended, and was not tried. */
const attackMs = 120_000

export function canShare(attack: Attack): boolean {
  const { name, mode, partner, stopAfterMs } = attack
  const isPlain = mode === undefined && partner === undefined && stopAfterMs === undefined
  return isPlain && !spoilers.includes(name) && !environmentAttacks.includes(attack) && !diskAttacks.includes(attack)
}

/** What lingers lives through the rest of its payload, so that it stands last. */
export function batchesOf(attacks: readonly Attack[]): readonly (readonly Attack[])[] {
  const lingering = attacks.filter(({ lingers }) => lingers)
  const others = attacks.filter(({ lingers }) => !lingers)
  const count = Math.ceil(others.length / maxInBatch)
  const batches = Array.from({ length: count }, (_, at) => others.filter((_other, index) => index % count === at))
  return lingering.length > 0 ? [...batches, lingering] : batches
}

const script = `
my $limit = shift @ARGV;
while (@ARGV) {
  my ($mark, $count) = splice @ARGV, 0, 2; my @words = splice @ARGV, 0, $count;
  syswrite $_, "\\n--- attack $mark\\n" for *STDOUT, *STDERR;
  $ENV{HOSTILE_MARK} = $mark;
  my $pid = fork // exit 1;
  if (!$pid) { exec { $words[0] } @words; exit 127 }
  my $late = 0; local $SIG{ALRM} = sub { $late = 1; kill 9, $pid }; alarm $limit;
  my $got; do { $got = waitpid $pid, 0 } while $got < 0 && $! == 4;
  alarm 0;
  syswrite STDOUT, "\\n--- over $mark\\n" unless $late;
}
`

/** All of them have the same environment but for the marker. `payloads`: by their markers. */
export function batchPayload(payloads: readonly (readonly [string, Payload])[]): Payload {
  const words = payloads.flatMap(([marker, { executable, arguments: args }]) => {
    return [marker, String(args.length + 1), executable, ...args]
  })
  const { arguments: own, ...driver } = perl(script)
  const environment = Object.assign({}, ...payloads.map(([, payload]) => payload.environment))
  return { ...driver, arguments: [...own, String(attackMs / 1000), ...words], environment, wallMs: attackMs }
}

/** What stands behind its marker, in both streams. */
export function partOf(output: string, marker: string): { readonly text: string; readonly isOver: boolean } {
  const parts = output.split('\n--- attack ').filter((part) => part.startsWith(`${marker}\n`))
  return { text: parts.join('\n'), isOver: parts.some((part) => part.includes(`\n--- over ${marker}\n`)) }
}
