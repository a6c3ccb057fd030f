/**
 * Root's eyes on the booted machine: a script that an operator's command fetches and starts before the agents, and that
 * answers what is there whenever it is asked. It also plants what attacks aim at: files of root, and a canary beside each
 * secret.
 *
 * The script comes from here once, by a path that only the user data know; it calls back here and listens nowhere. What
 * stays true: a look shows nothing from before it was asked for.
 */

import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type Clock, sleep } from '../../core/kernel/clock.ts'
import type { Random } from '../../core/kernel/random.ts'
import { bubblewrapPath } from '../../agents/pilot/isolation/bubblewrap.ts'
import type { Machine } from '../hostile/attack.ts'
import { newCanary } from '../hostile/canaries.ts'

export type Look = Machine & {
  /** The number of each agent's process. */
  readonly agents: ReadonlyMap<string, number>
  /** The PID namespace of the pilot. */
  readonly pilotNamespace: string
  /** Processes that show a marker, by the marker. */
  readonly carriers: ReadonlyMap<string, readonly string[]>
  /** The account that a payload's directory was given to, by the directory's name. */
  readonly accounts: ReadonlyMap<string, number>
  /** What root's folder looks like. */
  readonly rootState: string
}

export type Eyes = {
  /** For root, at boot. */
  readonly command: string
  /** For root, at boot: as if the image had bubblewrap. */
  readonly bubblewrapCommand: string
  /** Rejects where nothing answers within a minute. */
  look(): Promise<Look>
  stop(): void
}

/** Canaries with the owner and the mode of the secret that each stands beside; the last one is root's, in plain view. */
export const plantedFiles = {
  'agents-run': '/run/pilotage/canary',
  'agents-configuration': '/etc/pilotage/canary',
  'agents-work': '/var/lib/pilotage/canary',
  'service-data': '/var/lib/cloud/canary',
  'root-secret': '/opt/hostile/secret',
}
export const rootDir = '/opt/hostile'

/** Where attacks may leave something. */
const folders = [
  '/run/pilotage',
  '/var/lib/pilotage',
  '/var/lib/pilotage/work',
  '/usr/lib/pilotage',
  '/var/lib/cloud',
  '/etc/pilotage',
  '/etc',
  '/usr/local/bin',
  '/usr/lib',
  '/opt',
]
const answerMs = 60_000
/** A look costs the machine a part of a second, which is the attacks' own. */
const restMs = 1500
const rootFiles = 300

export async function openEyes(clock: Clock, random: Random, host: string): Promise<Eyes> {
  const secret = random.letters(32)
  const waiting: ((text: string) => void)[] = []
  let link: Socket | undefined
  let isServed = false
  let text = ''
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (first: Buffer) => {
      const line = first.toString('latin1')
      if (line.startsWith(`GET /${secret}/bwrap `)) socket.end(answered(readFileSync(bubblewrapPath)))
      else if (!isServed && line.startsWith(`GET /${secret} `)) {
        isServed = true
        socket.end(answered(Buffer.from(scriptOf(host, port, secret, random))))
      } else if (!link && line === `EYES ${secret}\n`) {
        link = socket
        socket.on('data', (piece: Buffer) => {
          text += piece.toString('latin1')
          if (!text.endsWith('\n.\n')) return
          waiting.shift()?.(text)
          text = ''
        })
      } else socket.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const fetch = `curl -sf --noproxy '*' -m 60 http://${host}:${port}`
  let last: Promise<unknown> = Promise.resolve()
  let answeredMs = 0
  let next: Promise<Look> | undefined

  async function ask(): Promise<Look> {
    await sleep(clock, Math.max(0, answeredMs + restMs - clock.monotonicMs()))
    next = undefined
    return new Promise((resolve, reject) => {
      const timer = clock.after(answerMs, () => reject(new Error('root’s eyes on the machine do not answer')))
      waiting.push((answer) => {
        timer.cancel()
        answeredMs = clock.monotonicMs()
        resolve(lookOf(answer))
      })
      link?.write('look\n')
    })
  }

  return {
    command: `${fetch}/${secret} -o /root/eyes && systemd-run -q -p Nice=-10 --unit=eyes /usr/bin/perl /root/eyes`,
    bubblewrapCommand: `${fetch}/${secret}/bwrap -o ${bubblewrapPath} && chmod 755 ${bubblewrapPath}`,
    /** Those who ask while one is on its way share the one after it. */
    look() {
      next ??= last.then(ask, ask)
      last = next
      return next
    },
    stop() {
      link?.destroy()
      server.close()
    },
  }
}

function answered(body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`HTTP/1.0 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`), body])
}

function scriptOf(host: string, port: number, secret: string, random: Random): string {
  const plants = Object.entries(plantedFiles).map(([name, path]) => `plant("${path}", "${newCanary(name, random)}");`)
  return `
use IO::Socket::INET;
$0 = "eyes"; umask 077;
sub plant { my ($path, $text) = @_; my $dir = $path =~ s{/[^/]*$}{}r; my @s = stat $dir; open(my $f, ">", $path); print $f $text; close $f; chown @s[4, 5], $path }
mkdir "${rootDir}"; chmod 0755, "${rootDir}";
for (0..${rootFiles - 1}) { open(my $f, ">", "${rootDir}/file-$_"); print $f "of root"; close $f; chmod 0644, "${rootDir}/file-$_" }
${plants.join('\n')}
sub slurp { open(my $f, "<", $_[0]) or return ""; local $/; my $t = <$f>; $t // "" }
sub namesin { opendir(my $d, $_[0]) or return; sort grep !/^[.][.]?$/, readdir $d }
sub line { my $t = join "\\t", @_; $t =~ s/[\\n\\r\\0]/ /g; "$t\\n" }
sub look {
  my $out = "";
  for my $p (grep /^\\d+$/ && $_ != $$, namesin("/proc")) {
    my $c = slurp("/proc/$p/cmdline");
    my ($agent) = $c =~ m{/usr/lib/pilotage/(pilot|monitor)[.]cjs};
    if ($agent && slurp("/proc/$p/stat") =~ /\\) \\S 1 /) {
      $out .= line("agent", $agent, $p); $out .= line("namespace", readlink "/proc/$p/ns/pid") if $agent eq "pilot";
    }
    my %seen;
    $out .= line("carrier", $_, "$p " . substr($c, 0, 100)) for grep !$seen{$_}++, join(" ", $c, slurp("/proc/$p/environ"), readlink("/proc/$p/cwd") // "") =~ /mark-[a-z0-9-]+/g;
  }
  for my $d (qw(${folders.join(' ')})) { $out .= line("name", $d, $_) for namesin($d) }
  for my $d (namesin("/var/lib/pilotage/work")) { my @s = lstat "/var/lib/pilotage/work/$d/home"; $out .= line("account", $d, $s[4]) if @s }
  for my $n (".", namesin("${rootDir}")) { my @s = lstat "${rootDir}/$n"; $out .= line("root", $n, @s[2, 4], $n eq "." ? 0 : $s[7]) }
  $out;
}
my $s = IO::Socket::INET->new(PeerAddr => "${host}:${port}") or exit 1;
$s->autoflush(1); print $s "EYES ${secret}\\n";
while (<$s>) { print $s look() . ".\\n" }
`
}

function lookOf(text: string): Look {
  const rows = text.split('\n').map((row) => row.split('\t'))
  const of = (kind: string): readonly (readonly string[])[] =>
    rows.filter(([name]) => name === kind).map(([, ...rest]) => rest)
  const carriers = new Map<string, string[]>()
  for (const [marker = '', shown = ''] of of('carrier')) carriers.set(marker, [...(carriers.get(marker) ?? []), shown])
  const names = new Map<string, string[]>(folders.map((folder) => [folder, []]))
  for (const [folder = '', name = ''] of of('name')) names.get(folder)?.push(name)
  return {
    agents: new Map(of('agent').map(([name = '', pid]) => [name, Number(pid)])),
    pilotNamespace: of('namespace')[0]?.[0] ?? '',
    carriers,
    accounts: new Map(of('account').map(([name = '', uid]) => [name, Number(uid)])),
    rootState: of('root')
      .map((row) => row.join(' '))
      .join('\n'),
    namesIn: (folder) => names.get(folder) ?? [],
    isThere(path) {
      const at = path.lastIndexOf('/')
      return (names.get(path.slice(0, at)) ?? []).includes(path.slice(at + 1))
    },
  }
}
