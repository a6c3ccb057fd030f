/**
 * Files of others: read, replaced, linked to, and prepared for the next payload.
 */

import { dirname, join } from 'node:path'
import type { Attack, Machine, Reach, Scene } from '../attack.ts'
import { perl } from '../attack.ts'
import { canaryPattern } from '../canaries.ts'
import { shell } from '../scripts.ts'

/** A folder of the agents in which something carries the marker. */
function markedFiles({ marker }: Scene, machine: Machine, ...folders: readonly string[]): readonly Reach[] {
  return folders.flatMap((folder) =>
    machine
      .namesIn(folder)
      .filter((name) => name.includes(marker))
      .map((name) => ({ what: 'files-of-others', evidence: join(folder, name) })),
  )
}

export const fileAttacks: readonly Attack[] = [
  {
    name: 'read-secrets',
    about: 'reads every secret by its path',
    reaches: 'credential, nonce, activation key, the service’s data',
    payload: (scene) =>
      shell(scene, `plunder; cat ${dirname(scene.credentialDir)}/*/* ${scene.serviceDir}/* 2>/dev/null | canaries`),
  },
  {
    name: 'read-journal',
    about: 'reads the pilot’s journal and its status',
    reaches: 'what the pilot keeps',
    payload: (scene) =>
      shell(
        scene,
        `grep -ao '"kind":"taken"' ${scene.workDir}/pilot.journal | head -1; cat ${scene.credentialDir}/pilot.json`,
      ),
    judge: (_, { text }) =>
      /"kind":"taken"|"idleMs"/.test(text) ? [{ what: 'journal', evidence: 'lines of the journal or the status' }] : [],
  },
  {
    name: 'search-machine',
    about: 'searches the places where programs keep things for canaries',
    reaches: 'whatever is readable',
    payload: (scene) =>
      shell(
        scene,
        `timeout 10 grep -rIsahoE '${canaryPattern}' /tmp /var/tmp /dev/shm /run /etc /home ${scene.workDir} ${scene.credentialDir} ${scene.serviceDir} 2>/dev/null | sort -u`,
        { wallMs: 20_000 },
      ),
  },
  {
    name: 'read-neighbour',
    about: 'looks for the neighbour’s files in every directory of work',
    reaches: 'the neighbour’s files',
    payload: (scene) =>
      shell(
        scene,
        `at=100; while [ $at -lt 130 ]; do for place in home/secret home/open tmp/secret stdout stderr; do loot ${scene.workDir}/work/$at.1/$place; done; at=$((at + 1)); done; for place in home/secret home/open tmp/secret stdout stderr; do loot ${dirname(scene.plantDir || '/none/home')}/$place; done; loot /tmp/neighbour-* /var/tmp/neighbour-* /dev/shm/neighbour-*`,
      ),
  },
  {
    name: 'shared-memory',
    about: 'attaches every segment of System V shared memory',
    reaches: 'the neighbour’s memory',
    payload: () =>
      perl(`
        open(my $f, "<", "/proc/sysvipc/shm") or exit;
        while (<$f>) { my (undef, $id) = split " "; shmread($id + 0, my $text, 0, 60) and print "$1\\n" if shmread($id + 0, $text, 0, 60) && $text =~ /(cn4ry-[a-z-]+[.][0-9a-z]{16})/ }
        for my $id (0..200) { shmread($id, my $text, 0, 60) and $text =~ /(cn4ry-[a-z-]+[.][0-9a-z]{16})/ and print "$1\\n" }
      `),
  },
  {
    name: 'abstract-sockets',
    about: 'connects to every abstract socket',
    reaches: 'a socket that the neighbour left open to everyone',
    payload: () =>
      perl(`
        use Socket; open(my $f, "<", "/proc/net/unix");
        for (map { /@(neighbour\\S+)/ ? $1 : () } <$f>) {
          socket(my $s, PF_UNIX, SOCK_STREAM, 0); connect($s, pack_sockaddr_un("\\0$_")) or next;
          local $SIG{ALRM} = sub { exit }; alarm 2; print scalar <$s>, "\\n";
        }
      `),
  },
  {
    name: 'hard-links',
    about: 'links files of others into its own folder and reads them there',
    reaches: 'a copy of a secret that the pilot makes readable',
    payload: (scene) =>
      shell(
        scene,
        'for f in $(secrets); do ln "$f" ./l 2>/dev/null && { chmod 644 ./l; loot ./l; }; ln -L "$f" ../tmp/l; rm -f l; done; true',
      ),
  },
  {
    name: 'output-as-link',
    about: 'replaces its output by links to secrets, for the pilot to send',
    reaches: 'secrets, by the pilot’s own hand',
    payload: (scene) =>
      shell(
        scene,
        `for dir in .. "$PILOTAGE_DIR" ${scene.ownDir}; do
           for name in stdout stderr; do rm -f "$dir/$name"; done
           ln -s ${scene.secretFiles.credential} "$dir/stdout"; ln ${scene.secretFiles['activation-key']} "$dir/stderr"
         done; mv .. ../../moved; mv ${scene.ownDir} ${scene.ownDir}.moved; mkdir ${scene.ownDir}; ln -s ${scene.secretFiles.credential} ${scene.ownDir}/stdout; true`,
      ),
  },
  {
    name: 'output-as-pipe',
    about: 'replaces its output by a named pipe and by endless devices',
    reaches: 'the pilot, which would wait for ever',
    payload: (scene) =>
      shell(
        scene,
        `for dir in .. ${scene.ownDir}; do rm -f "$dir/stdout" "$dir/stderr"; mkfifo "$dir/stdout"; ln -s /dev/zero "$dir/stderr"; done; true`,
      ),
  },
  {
    name: 'prepared-directory',
    about: 'makes the directories of the next jobs in advance, with links in them',
    reaches: 'the next payload’s files',
    payload: (scene) =>
      shell(
        scene,
        `for dir in ${scene.workDir}/work ../..; do
           for at in 9001 9002; do mkdir -m 777 "$dir/$at.1-${scene.marker}"; ln -s /tmp "$dir/$at.1-${scene.marker}/home"; done
         done; true`,
      ),
    judge: (scene, _, machine) => markedFiles(scene, machine, join(scene.workDir, 'work')),
  },
  {
    name: 'write-to-agents',
    about: 'writes into the folders of agents, service and programs, and over their files',
    reaches: 'what the agents run and believe',
    payload: (scene) =>
      shell(
        scene,
        `for dir in ${scene.credentialDir} ${scene.workDir} ${scene.programsDir} ${scene.serviceDir} ${dirname(scene.secretFiles['activation-key'] ?? '')} /etc /usr/local/bin /usr/lib /opt; do
           : >"$dir/${scene.marker}"
         done 2>/dev/null
         for program in ${scene.programsDir}/*; do [ -w "$program" ] && echo "WRITABLE $program"; done; true`,
      ),
    judge: (scene, { text }, machine) => [
      ...markedFiles(
        scene,
        machine,
        scene.credentialDir,
        scene.workDir,
        scene.programsDir,
        scene.serviceDir,
        dirname(scene.secretFiles['activation-key'] ?? ''),
        '/etc',
        '/usr/local/bin',
        '/usr/lib',
        '/opt',
      ),
      ...(/^WRITABLE (.*)$/m.test(text) ? [{ what: 'programs', evidence: text.slice(0, 100) }] : []),
    ],
  },
  {
    name: 'pilot-status',
    about: 'replaces the pilot’s status, so that the monitor believes it idle',
    reaches: 'the monitor’s decisions',
    payload: (scene) =>
      shell(
        scene,
        `echo '{"forged":true}' >${scene.credentialDir}/pilot.json.${scene.marker}; mv -f ${scene.credentialDir}/pilot.json.${scene.marker} ${scene.credentialDir}/pilot.json; cat ${scene.credentialDir}/pilot.json | head -c 20`,
      ),
    judge: (_, { text }) =>
      text.includes('{"forged":true}') ? [{ what: 'pilot-status', evidence: 'it read its own forgery' }] : [],
  },
  {
    name: 'root-folder',
    about: 'removes and changes files of root',
    reaches: 'files of root',
    mode: 'alone',
    payload: (scene) =>
      shell(scene, `rm -rf ${scene.rootDir}/*; chmod 777 ${scene.rootDir}; mv ${scene.rootDir} ${scene.rootDir}.x; true`),
  },
]
