/**
 * Trees that are made to be removed: folders that change into links while the pilot works in them, and shapes that a
 * careless removal does not survive.
 *
 * The pilot removes a payload's directory after its end. A partner under another account swaps folders during that time, as
 * long as it finds them; root's folder must keep its files and its mode.
 */

import type { Attack, Machine, Outcome, Payload, Reach, Scene } from '../attack.ts'
import { perl } from '../attack.ts'
import { shell } from '../scripts.ts'

const notRemoved = (scene: Scene, _: Outcome, machine: Machine): readonly Reach[] =>
  machine.isThere(scene.ownDir) ? [{ what: 'not removed', evidence: scene.ownDir }] : []

/** Perl: watches folders by inotify, and `change(N)` puts a link to root's folder in the place of `home/N/a`. */
const swapping = (scene: Scene): string => `
  my $home = "${scene.ownDir}/home"; my $wait = time + 4; my $n = 0;
  select undef, undef, undef, 0.02 until -e "$home/ready" || time > $wait;
  exit unless -e "$home/ready";
  my $in = syscall(294, 04000); my %at;
  sub watch { my ($path, $mask, $name) = @_; my $w = syscall(254, $in, $path, $mask); $at{$w} = $name if $w >= 0 }
  sub change { my $i = shift; rename("$home/$i/a", "$home/$i/b") or return; symlink("${scene.rootDir}", "$home/$i/a") and $n++ }
  sub seen { my $b = "\\0" x 4096; my $size = syscall(0, $in, $b, 4096); my @names; my $at = 0;
    while ($at < $size) { my ($w, $m, $c, $l) = unpack("lLLL", substr $b, $at, 16); push @names, $at{$w}; $at += 16 + $l } @names }
`

/** The names of root's files: what is removed by its name here is removed there, once the folder is a link. */
const grow = `chdir $ENV{HOME}; umask 0; chmod 0777, "."; for my $i (0..39) { mkdir $i; mkdir "$i/a"; for (0..149) { open(my $f, ">", "$i/a/file-$_") } }`
/** Says that all is there, and ends once the partner watches. */
const over = `open(my $f, ">", "ready"); close $f; for (1..150) { last if -e "watching"; select undef, undef, undef, 0.02 }`
const watching = `open(my $f, ">", "$home/watching"); close $f;`

const races: readonly Attack[] = [
  {
    name: 'removal-race',
    about: 'each folder becomes a link to root’s folder as soon as the pilot has opened it to remove what is in it',
    reaches: 'files of root',
    mode: 'alone',
    needs: ['x64'],
    partner: (scene) =>
      perl(
        `${swapping(scene)} watch("$home/$_/a", 0x20 | 0x200, $_) for 0..39; ${watching}
         my $end = time + 10; while (time < $end && -d $home) { change($_) for seen() } print "swapped $n\\n"`,
        { wallMs: 20_000 },
      ),
    payload: () => perl(`${grow} ${over}`),
  },
  {
    name: 'mode-race',
    about: 'folders become links to root’s folder while the pilot opens the modes of what it could not remove',
    reaches: 'the mode of root’s folder',
    mode: 'alone',
    needs: ['x64'],
    partner: (scene) =>
      perl(
        `${swapping(scene)} ${watching} my $end = time + 8; my $swapped = 0; my $last = ""; umask 0;
         # A folder of its own inside: it may still be changed when the pilot has closed those around it.
         while (time < $end && -d $home && !$swapped) {
           my $is = join ":", stat "$home/w";
           if (mkdir("$home/w") || ($is && $is ne $last && !-d "t1")) { chdir "$home/w"; $last = join ":", stat "$home/w" }
           mkdir "t$_" for 1..50; 
           if (((stat '.')[2] & 0777) == 0700) { $swapped = 1; for (1..50) { rename("t$_", "x$_"); symlink("${scene.rootDir}", "t$_") and $n++ } }
         } print "swapped $n\\n"; sleep 1`,
        { wallMs: 20_000 },
      ),
    // What is too deep for a path cannot be removed by one.
    payload: () => perl(`chdir $ENV{HOME}; umask 0; chmod 0777, "."; ${over} for (1..3000) { mkdir "d"; chdir "d" }`),
  },
]

function shape(name: string, about: string, script: string, more: Partial<Payload> = {}): Attack {
  return {
    name,
    about,
    reaches: 'a pilot that neither removes nor goes on',
    mode: 'alone',
    payload: (scene) => perl(`chdir $ENV{HOME}; my $root = "${scene.rootDir}"; ${script}`, { wallMs: 20_000, ...more }),
    judge: notRemoved,
  }
}

export const removalAttacks: readonly Attack[] = [
  ...races,
  shape(
    'links-everywhere',
    'links to folders and files of root',
    'symlink($root, "l$_") for 1..50; mkdir "d"; symlink($root, "d/x"); symlink("$root/file-1", "f"); symlink("/", "slash")',
  ),
  shape(
    'deep-tree',
    'ten thousand folders, one inside the other',
    'for (1..10000) { mkdir "d" or last; chdir "d" or last }',
  ),
  shape(
    'deep-closed-tree',
    'a deep tree of closed folders',
    'my @made; for (1..300) { mkdir "d" or last; chdir "d" } for (1..300) { chmod 0, "d"; chdir ".." } chmod 0, "d"',
  ),
  shape(
    'closed-folders',
    'folders and files of mode 0',
    'for (1..50) { mkdir "c$_"; open(my $f, ">", "c$_/f"); mkdir "c$_/in"; chmod 0, "c$_/f"; chmod 0, "c$_/in"; chmod 0, "c$_" } chmod 0, $ENV{HOME}; chmod 0, $ENV{TMPDIR}',
  ),
  shape(
    'strange-names',
    'names with line ends, wrong encodings and options',
    'for my $n ("a\\nb", "\\xff\\xfe", "-rf", "--", "*", " ", "\\t", "x" x 255, "\\x1b[2J", "$(id)") { open(my $f, ">", $n); mkdir "$n.d"; open($f, ">", "$n.d/$n") } mkdir "..."; mkdir "...\\n"',
  ),
  shape(
    'special-files',
    'pipes, sockets and devices',
    'use POSIX; use Socket; POSIX::mkfifo("p$_", 0600) for 1..20; for (1..20) { socket(my $s, PF_UNIX, SOCK_STREAM, 0); bind($s, pack_sockaddr_un("s$_")) } syscall(133, "dev", 0020666, 0x103)',
  ),
  shape('hard-linked-files', 'files with very many links', 'open(my $f, ">", "f"); close $f; link("f", "l$_") for 1..20000'),
  shape(
    'entry-flood',
    'a hundred thousand empty files',
    'for my $d (1..20) { mkdir "d$d"; for (1..5000) { open(my $f, ">", "d$d/$_") or last } }',
  ),
  shape(
    'long-names',
    'more names in one folder than a command takes, in a path longer than the system takes',
    'for (1..30) { mkdir "a" x 200; chdir "a" x 200 } open(my $f, ">", "a" x 240 . $_) for 1..9000',
  ),
  shape(
    'attributes',
    'immutable and append-only flags, and rules of access',
    'mkdir "i"; open(my $f, ">", "i/f"); my $flags = pack("L", 0x10); ioctl($f, 0x40086602, $flags); system("chattr +i i/f i 2>/dev/null"); system("setfacl -m u::--- i 2>/dev/null")',
  ),
  shape(
    'mounted-inside',
    'something is mounted inside by a namespace of its own',
    'mkdir "m"; system("timeout 3 unshare -Urm sh -c \'mount -t tmpfs none m && touch m/x && mount --bind / m\' 2>/dev/null")',
  ),
  {
    name: 'moved-away',
    about: 'moves its own directory away, and puts a link to root’s folder in its place',
    reaches: 'files of root',
    mode: 'alone',
    payload: (scene) =>
      shell(
        scene,
        `cd /; mv "$HOME" "$HOME.old"; ln -s ${scene.rootDir} "$HOME"; mv "$TMPDIR" "$TMPDIR.old"; ln -s ${scene.rootDir} "$TMPDIR"; mv ${scene.ownDir} ${scene.ownDir}.old && ln -s ${scene.rootDir} ${scene.ownDir}; true`,
      ),
  },
  {
    name: 'folder-in-use',
    about: 'the partner works inside of the directory while it is removed, and makes new entries',
    reaches: 'a pilot that never ends the removal',
    mode: 'alone',
    partner: (scene) =>
      perl(
        `my $d = "${scene.ownDir}/home"; my $end = time + 4; select undef, undef, undef, 0.02 until -e "$d/ready" || time > $end; chdir $d or exit; while (time < $end) { for (1..50) { mkdir "n$_"; open(my $f, ">", "n$_/f") } last unless -d $d }`,
      ),
    payload: (scene) => shell(scene, 'umask 0; chmod 777 "$HOME"; : >"$HOME/ready"; sleep 0.5'),
    judge: notRemoved,
  },
]
