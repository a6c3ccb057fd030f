/**
 * The payloads that attacks aim at: a neighbour of another VO that runs all the time with secrets in every place where a
 * program may have some, and the next payload of an account, which has a password and lists what it finds of its
 * predecessor.
 */

import type { Random } from '../../core/kernel/random.ts'
import { type Payload, perl } from './attack.ts'
import { deriveInPerl, derivedCanary, newCanary } from './canaries.ts'

/** What a careful program keeps to itself: files of mode 0600 and the like. */
export const carefulPlaces = ['home', 'tmpdir', 'tmp', 'var-tmp', 'shm', 'sysv', 'pipe', 'keyring', 'memory'] as const
/** What a careless one leaves open to everyone on its machine. */
export const carelessPlaces = ['open-home', 'open-tmp', 'open-shm', 'open-sysv', 'open-socket'] as const

const neighbourScript = `
${deriveInPerl}
use Socket;
my $key = $ENV{PASSWORD}; my $id = $ENV{HOSTILE_ID};
sub c { derived($key, "neighbour-$_[0]") }
sub file { my ($path, $mode, $text) = @_; umask 0; open(my $f, ">", $path) or return; chmod $mode, $path; print $f $text; close $f }
mkdir $ENV{TMPDIR};
file("$ENV{HOME}/secret", 0600, c("home"));
file("$ENV{TMPDIR}/secret", 0600, c("tmpdir"));
file("/tmp/$id", 0600, c("tmp"));
file("/var/tmp/$id", 0600, c("var-tmp"));
file("/dev/shm/$id", 0600, c("shm"));
file("$ENV{HOME}/open", 0644, c("open-home"));
file("/tmp/$id-open", 0644, c("open-tmp"));
file("/dev/shm/$id-open", 0644, c("open-shm"));
for (["sysv", 0600], ["open-sysv", 0666]) {
  my $shm = shmget(0, 4096, 01000 | $_->[1]);
  shmwrite($shm, c($_->[0]), 0, 40) if defined $shm;
}
pipe(my $reader, my $writer); syswrite($writer, c("pipe")); 
my ($type, $name, $text) = ("user", "ticket", c("keyring"));
syscall(248, $type, $name, $text, length $text, -3);
socket(my $server, PF_UNIX, SOCK_STREAM, 0); bind($server, pack_sockaddr_un("\\0$id")); listen($server, 50);
my $memory = c("memory");
$| = 1; print "planted\\n";
my $socket = c("open-socket");
while (accept(my $peer, $server)) { syswrite($peer, $socket); close $peer }
`

export type Neighbour = { readonly payload: Payload; readonly secrets: ReadonlyMap<string, string> }

export function neighbour(random: Random): Neighbour {
  const password = newCanary('neighbour-environment', random)
  const argument = newCanary('neighbour-argument', random)
  const places = [...carefulPlaces, ...carelessPlaces].map((name) => `neighbour-${name}`)
  const payload = perl(neighbourScript, {
    environment: { PASSWORD: password, HOSTILE_ID: `neighbour-${random.letters(8)}` },
    wallMs: 20 * 60_000,
  })
  return {
    payload: { ...payload, arguments: [...payload.arguments, argument] },
    secrets: new Map([
      ['neighbour-environment', password],
      ['neighbour-argument', argument],
      ...places.map((name) => [name, derivedCanary(password, name)] as const),
    ]),
  }
}

/** Lists whatever belongs to its own account and is not of its own making, then stays for a moment with its password. */
const nextScript = `
use Cwd ();
my %own; my $pid = $$; my $uid = $<; print "account $uid\\n";
sub stat_of { open(my $f, "<", "/proc/$_[0]/stat") or return; my $t = <$f>; $t =~ /^(\\d+) \\(.*\\) (\\S) (\\d+)/s ? ($2, $3) : () }
# The pilot's own work under this account (measuring, cleaning) descends from the pilot, as this payload does.
my %kin; for (my $p = $$; $p > 1;) { $kin{$p} = 1; my ($s, $parent) = stat_of($p) or last; $p = $parent }
sub of_kin { my $p = shift; for (1..20) { return 1 if $kin{$p}; my ($s, $parent) = stat_of($p) or return 1; return 0 if $parent <= 1; $p = $parent } 0 }
my $begun = time;
while (1) {
  opendir(my $d, "/proc"); 
  for my $p (grep /^\\d+$/ && $_ > 1, readdir $d) {
    next if (stat "/proc/$p")[4] != $uid || of_kin($p);
    my ($state) = stat_of($p) or next;
    open(my $f, "<", "/proc/$p/cmdline"); my $c = <$f>; $c =~ tr/\\0/ /; $c =~ s/\\n/ /g;
    print "LITTER process $p $state ", substr($c, 0, 80), "\\n" unless $own{$p}++;
  }
  last if time - $begun >= 1;
  select undef, undef, undef, 0.02;
}
for my $dir (qw(/tmp /var/tmp /dev/shm /run/lock /run/user /var/lock /dev/mqueue /var/spool/cron/crontabs /var/spool/cron/atjobs /var/crash), $ENV{HOME}, $ENV{TMPDIR}) {
  opendir(my $d, $dir) or next;
  for (grep !/^[.][.]?$/, readdir $d) {
    my $path = "$dir/$_"; my @s = lstat $path;
    print "LITTER file $path\\n" if @s && $s[4] == $uid && $path ne $ENV{HOME} && $path ne $ENV{TMPDIR};
  }
}
for my $what (qw(shm msg sem)) {
  open(my $f, "<", "/proc/sysvipc/$what") or next; my @head = split " ", <$f>;
  while (<$f>) { my %v; @v{@head} = split; print "LITTER sysv $what $v{key}\\n" if $v{uid} == $uid }
}
syscall(250, 8, $_, -3) for -4, -5;
for my $ring (-4, -5, -3) {
  my $key = syscall(250, 10, $ring, $t = "user", $n = "hostile-litter", 0);
  next if $key < 0; my $buffer = " " x 200;
  my $size = syscall(250, 11, $key, $buffer, 200); print "key ", substr($buffer, 0, $size > 0 ? $size : 0), "\\n";
}
print "counted\\n";
`

export function nextPayload(random: Random): { readonly payload: Payload; readonly password: string } {
  const password = newCanary('next-password', random)
  return { payload: perl(nextScript, { environment: { PASSWORD: password } }), password }
}
