/**
 * Memory and disk beyond what a job was granted: what is not in its directory, or not in any.
 *
 * Each takes four times its grant and keeps it for twelve seconds: it wins where it ends by itself and nothing stopped it.
 */

import type { Attack, Outcome, Payload, Reach, Scene } from '../attack.ts'
import { perl, python } from '../attack.ts'

const mib = 1024 ** 2
const grantBytes = 32 * mib

/** The script prints `HELD bytes` once it has them, and `KEPT` where it could keep them. */
function beyondGrant(_: Scene, { end, text }: Outcome): readonly Reach[] {
  const isStopped = end === 'disk-limit' || end === 'memory-limit' || end === 'signalled'
  return !isStopped && text.includes('KEPT') ? [{ what: 'more than granted', evidence: `it ended as ${end}` }] : []
}

function taking(name: string, about: string, payload: (scene: Scene) => Payload, more: Partial<Attack> = {}): Attack {
  return { name, about, reaches: 'disk or memory of the whole machine', payload, judge: beyondGrant, ...more }
}

const fill = `sub fill { my ($f) = @_; my $x = "x" x 1048576; for (1..128) { (syswrite($f, $x) // 0) == 1048576 or return 0 } 1 }`
const keep = `sub keep { $| = 1; print "HELD\\n"; sleep 12; print "KEPT\\n" }`
const small = { memoryBytes: 64 * mib, diskBytes: grantBytes }

export const diskAttacks: readonly Attack[] = [
  taking('big-file', 'a file larger than its grant', () =>
    perl(`${fill} ${keep} open(my $f, ">", "big"); fill($f) and keep()`, small),
  ),
  taking('many-files', 'many files that are together larger than its grant', () =>
    perl(
      `${keep} my $x = "x" x 65536; for my $d (1..20) { mkdir "d$d"; for (1..100) { open(my $f, ">", "d$d/$_") or next; syswrite($f, $x) } } keep()`,
      small,
    ),
  ),
  taking(
    'kills-what-measures',
    'many files beyond its grant, while it ends and stops whatever else runs under its account',
    () =>
      perl(
        `use POSIX (); ${keep} my $x = "x" x 65536; $SIG{TERM} = "IGNORE"; my @own = ($$);
       my $killer = fork; if (!$killer) { my $end = time + 13; while (time < $end) { for (glob("/proc/[0-9]*")) { my ($p) = /(\\d+)$/; next if $p == $$ || $p == $own[0] || $p == getppid; kill $_, $p for 19, 9 } } exit }
       for my $d (1..20) { mkdir "d$d"; for (1..100) { open(my $f, ">", "d$d/$_") or next; syswrite($f, $x) } } keep()`,
        small,
      ),
    { mode: 'alone' },
  ),
  taking('unlinked-file', 'a large file that is removed and still open', () =>
    perl(`${fill} ${keep} open(my $f, ">", "big"); unlink "big"; fill($f) and keep()`, small),
  ),
  taking('shm-file', 'a large file in shared memory', (scene) =>
    perl(
      `${fill} ${keep} open(my $f, ">", "/dev/shm/${scene.marker}") or exit; fill($f) and keep(); unlink "/dev/shm/${scene.marker}"`,
      small,
    ),
  ),
  taking('tmp-file', 'a large file in /tmp', (scene) =>
    perl(
      `${fill} ${keep} open(my $f, ">", "/tmp/${scene.marker}") or exit; fill($f) and keep(); unlink "/tmp/${scene.marker}"`,
      small,
    ),
  ),
  taking('var-tmp-file', 'a large file in /var/tmp', (scene) =>
    perl(
      `${fill} ${keep} open(my $f, ">", "/var/tmp/${scene.marker}") or exit; fill($f) and keep(); unlink "/var/tmp/${scene.marker}"`,
      small,
    ),
  ),
  taking(
    'memory-file',
    'a file of memory that has no name and is not mapped',
    () =>
      perl(
        `${fill} ${keep} my $n = "x"; my $fd = syscall(319, $n, 0); open(my $f, ">&=", $fd) or exit; fill($f) and keep()`,
        small,
      ),
    { needs: ['x64'] },
  ),
  taking('shared-segments', 'segments of shared memory that are not attached', () =>
    perl(
      `${keep} my @s = map { shmget(0, 16 * 1048576, 01600) } 1..8; my $x = "x" x (16 * 1048576); shmwrite($_, $x, 0, length $x) for @s; keep(); shmctl($_, 0, 0) for @s`,
      small,
    ),
  ),
  taking('memory', 'plain memory beyond its grant', () => perl(`${keep} my $x = "x" x (256 * 1048576); keep()`, small)),
  taking('memory-in-children', 'memory beyond its grant, in many children', () =>
    perl(
      `${keep} for (1..8) { fork or do { my $x = "x" x (32 * 1048576); sleep 14; exit } } sleep 1; keep(); kill 9, 0`,
      small,
    ),
  ),
  taking(
    'sockets',
    'memory of the kernel, in the buffers of sockets',
    () =>
      python(
        `
import socket, sys, time
held = []
try:
    for _ in range(100):
        pair = socket.socketpair()
        for s in pair: s.setblocking(False); s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        held.append(pair)
        try:
            for _ in range(64): pair[0].send(b"x" * 65536)
        except BlockingIOError: pass
except OSError as error: print("refused", error)
print("buffers", len(held), flush=True)
time.sleep(1)
`,
        small,
      ),
    { needs: ['python3'], judge: () => [] },
  ),
  taking(
    'sparse-file',
    'a file of a terabyte with nothing in it: that costs nothing and must not be held against it',
    () =>
      perl(
        `open(my $f, ">", "sparse"); truncate($f, 2**40); seek($f, 2**39, 0); print $f "x"; close $f; sleep 1; print "HONEST\\n"`,
        small,
      ),
    {
      judge: (_, { end, text }) =>
        text.includes('HONEST') && end === 'exited' ? [] : [{ what: 'honest job ended', evidence: end }],
    },
  ),
  taking(
    'output-flood',
    'a hundred megabytes of output',
    () => perl('my $x = "x" x 1048576; for (1..100) { print $x }', small),
    {
      judge: (_, { text }) =>
        text.length > 8 * mib ? [{ what: 'more than granted', evidence: `${text.length} bytes of output` }] : [],
    },
  ),
]
