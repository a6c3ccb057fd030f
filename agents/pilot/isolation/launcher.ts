/**
 * The launcher: the last step before a payload, run when nothing that has power is left, and the only step that sees the
 * job.
 *
 * Every step before it (cgroup, account, namespaces) gets a clean environment and arguments of our own. The job travels on a
 * pipe: the launcher reads working directory, environment and command from descriptor 3, and says on descriptor 4 how far it
 * came. Where the payload has a PID namespace, the launcher stays as its init: it collects orphans and reports the exact
 * wait status, and its end is the kernel's kill of everything left. After a SIGTERM it waits for the orphans too, so that
 * all processes of a payload have the grace that a stop gives. Perl and Python do the same; one of them is on every system
 * that has cloud-init or dpkg.
 */

import { accessSync, constants } from 'node:fs'

export type LaunchMode =
  /** Becomes the payload. */
  | 'exec'
  /** Starts the payload, waits for it, and is the first process of a PID namespace. */
  | 'init'

export type LaunchSpec = {
  readonly mode: LaunchMode
  readonly cwd: string
  readonly environment: Readonly<Record<string, string>>
  readonly executable: string
  readonly arguments: readonly string[]
}

/** How far the launcher came, as it reports on descriptor 4. */
export type LaunchStatus =
  /** The steps before it failed: the payload was not started. */
  | { readonly kind: 'not-reached' }
  /** The payload's program could not be run: a number of errno. */
  | { readonly kind: 'no-exec'; readonly errno: number }
  /** The payload ran. `wait`: its wait status, where the launcher was its init and saw the end. */
  | { readonly kind: 'ran'; readonly wait?: number }

export const specDescriptor = 3
export const statusDescriptor = 4

/** The number of keyctl; undefined on processors whose numbers are not known here. */
export const keyctl = process.arch === 'x64' ? 250 : process.arch === 'arm64' ? 219 : undefined
/** A session keyring of its own (KEYCTL_JOIN_SESSION_KEYRING): keys and tickets of the pilot and of payloads stay apart. */
const joinInPerl = keyctl === undefined ? '' : `syscall(${keyctl}, 1, 0);`
const joinInPython =
  keyctl === undefined
    ? ''
    : `
try:
    import ctypes
    ctypes.CDLL(None).syscall(${keyctl}, 1, None)
except (ImportError, OSError): pass`

/**
 * Of Linux: F_SETFD is 2 with FD_CLOEXEC 1, F_GETFL 3, F_SETFL 4 with O_ASYNC 0x2000, F_SETOWN 8. The init gets a SIGIO when
 * the pilot's end of descriptor 4 is closed, so that a payload never outlives its pilot. `wait` gives the whole status in
 * `$?`.
 */
const perlText = `
open(my $in, "<&=", 3) or exit 126;
open(my $out, ">&=", 4) or exit 126;
fcntl($out, 2, 1);
opendir(my $open, "/proc/self/fd") or exit 126;
for my $fd (grep { /^[0-9]+$/ && $_ > 4 && $_ != fileno($open) } readdir $open) { open(my $other, "<&=", $fd) and close $other }
closedir $open;
my $text = do { local $/; <$in> };
close $in;
my @field = split(/\\0/, $text, -1);
pop @field;
my ($mode, $cwd, $count) = splice(@field, 0, 3);
%ENV = ();
for (splice(@field, 0, $count)) { my ($name, $value) = split(/=/, $_, 2); $ENV{$name} = $value }
umask 022;
${joinInPerl}
sub become {
  chdir $cwd and exec { $field[0] } @field;
  syswrite($out, "no-exec " . ($! + 0) . "\\n");
  exit 127;
}
if ($mode eq "init") {
  $SIG{IO} = sub { exit 1 };
  fcntl($out, 8, $$ + 0) && fcntl($out, 4, fcntl($out, 3, 0) | 0x2000) or exit 126;
}
syswrite($out, "ready\\n") or exit 1;
become() if $mode eq "exec";
my ($isStopping, $status) = (0, -1);
$SIG{TERM} = sub { $isStopping = 1 };
my $payload = fork;
defined $payload or exit 126;
become() if $payload == 0;
while (1) {
  my $one = wait;
  next if $one == -1 && $! == 4;
  $status = $? if $one == $payload;
  last if $status >= 0 && ($one == -1 || !$isStopping);
}
syswrite($out, "ended $status\\n");
`

const pythonText = `
import fcntl, os, signal
os.set_inheritable(4, False)
os.closerange(5, 65536)
with os.fdopen(3, "rb") as source: field = source.read().split(b"\\0")[:-1]
mode, cwd, count = field[0], field[1], int(field[2])
environment = dict(one.split(b"=", 1) for one in field[3:3 + count])
command = field[3 + count:]
os.umask(0o022)${joinInPython}
def become():
    for one in (signal.SIGPIPE, signal.SIGXFSZ): signal.signal(one, signal.SIG_DFL)
    try:
        os.chdir(cwd)
        try: os.execvpe(command[0], command, environment)
        except OSError as error:
            if error.errno != 8: raise
            os.execve("/bin/sh", [b"sh"] + command, environment)
    except OSError as error: os.write(4, b"no-exec %d\\n" % error.errno)
    os._exit(127)
if mode == b"init":
    signal.signal(signal.SIGIO, lambda *_: os._exit(1))
    fcntl.fcntl(4, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(4, fcntl.F_SETFL, fcntl.fcntl(4, fcntl.F_GETFL) | os.O_ASYNC)
os.write(4, b"ready\\n")
if mode == b"exec": become()
stopping, ended = [], None
signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
payload = os.fork()
if payload == 0: become()
while True:
    try: one, status = os.wait()
    except ChildProcessError: one = -1
    if one == payload: ended = status
    if ended is not None and (one == -1 or not stopping): break
os.write(4, b"ended %d\\n" % ended)
os._exit(0)
`

export const launchers: readonly (readonly string[])[] = [
  ['/usr/bin/perl', '-e', perlText],
  ['/usr/bin/python3', '-I', '-S', '-c', pythonText],
  ['/usr/libexec/platform-python', '-I', '-S', '-c', pythonText],
]

/** The launcher's own command; undefined where this machine has no interpreter for it. */
export function findLauncher(all: readonly (readonly string[])[] = launchers): readonly string[] | undefined {
  return all.find(([program = '']) => isProgram(program))
}

/** Throws for what cannot travel: a zero byte ends an argument in every system call. */
export function launchBytes({ mode, cwd, environment, executable, arguments: args }: LaunchSpec): Buffer {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`)
  const fields = [mode, cwd, String(variables.length), ...variables, executable, ...args]
  if (executable === '' || fields.some((field) => field.includes('\0'))) {
    throw new Error('an executable is needed, and no text of a job may hold a zero byte')
  }
  return Buffer.from(fields.map((field) => `${field}\0`).join(''))
}

/** `text`: all that came on descriptor 4. */
export function launchStatus(text: string): LaunchStatus {
  const noExec = /^no-exec (\d+)$/m.exec(text)?.[1]
  if (noExec !== undefined) return { kind: 'no-exec', errno: Number(noExec) }
  if (!/^ready$/m.test(text)) return { kind: 'not-reached' }
  const wait = /^ended (\d+)$/m.exec(text)?.[1]
  return wait === undefined ? { kind: 'ran' } : { kind: 'ran', wait: Number(wait) }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
