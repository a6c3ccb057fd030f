/**
 * The services of a machine: monitor and pilot of a worker, monitor and squid of a machine that keeps what workers fetch;
 * and what runs beside them now and then. The monitor's life is the machine's: with its end the machine is switched off, and
 * so it is when it cannot stay up; a machine that is only lent stays up, and its pilot stops. The pilot is started again as
 * often as it ends badly, within reason.
 *
 * Least authority: both run under one account that is not root; the pilot may also become the payloads' accounts, signal
 * their processes, and give folders away. Neither, and no payload, reaches the cloud's metadata address: what lies there has
 * been read. Only the monitor of a spot machine does, by its unit and not by its account. A payload lives in the pilot's
 * control group, so that nothing of it outlives the pilot.
 */

import type { ExtraFile } from './order.ts'

const metadata = ['169.254.169.254', 'fd00:ec2::254']

export type UnitTraits = {
  /** With the monitor's end the pilot stops, and the machine stays up. */
  readonly isLent?: boolean
  /** To the monitor, which hears from its cloud there; never to the pilot and what it runs. */
  readonly isMetadataOpen?: boolean
}

export function workerUnits(traits: UnitTraits): readonly ExtraFile[] {
  return [monitorUnit(traits), pilotUnit(traits), ...(traits.isLent ? [overUnit()] : [])]
}

/** `run`: the whole command that squid is started by, after `prepare` has made what it keeps things in. */
export function squidUnits(prepare: string, run: string, traits: UnitTraits): readonly ExtraFile[] {
  const lines = [
    '[Unit]',
    'Description=Pilotage: squid of this site',
    'After=network-online.target nss-lookup.target',
    '',
    '[Service]',
    `ExecStartPre=${prepare}`,
    `ExecStart=${run}`,
    // It comes back whatever has ended it; where it does not, the monitor says so.
    'Restart=always',
    'RestartSec=2',
    'LimitNOFILE=65536',
    'ProtectHome=yes',
    'PrivateTmp=yes',
    ...closedLines,
    '',
  ]
  const squid = { path: '/etc/systemd/system/pilotage-squid.service', permissions: '0644', content: lines.join('\n') }
  return [monitorUnit(traits), squid]
}

/** Runs a command of root's for as long as the machine lives, every so often and not at the second. */
export function rootTimer(
  name: string,
  description: string,
  { command, everySeconds, spreadSeconds }: { command: string; everySeconds: number; spreadSeconds: number },
): readonly ExtraFile[] {
  const service = [
    '[Unit]',
    `Description=${description}`,
    'After=network-online.target',
    '',
    '[Service]',
    'Type=oneshot',
    `ExecStart=${command}`,
    `TimeoutStartSec=${everySeconds}`,
    'StandardOutput=journal+console',
    'NoNewPrivileges=yes',
    'ProtectHome=yes',
    ...closedLines,
    '',
  ]
  const timer = [
    '[Unit]',
    `Description=${description}`,
    '',
    '[Timer]',
    `OnActiveSec=${everySeconds}`,
    `OnUnitInactiveSec=${everySeconds}`,
    `RandomizedDelaySec=${spreadSeconds}`,
    'AccuracySec=5',
    '',
  ]
  const file = (kind: string, lines: readonly string[]): ExtraFile => ({
    path: `/etc/systemd/system/${name}.${kind}`,
    permissions: '0644',
    content: lines.join('\n'),
  })
  return [file('service', service), file('timer', timer)]
}

const closedLines = metadata.map((address) => `IPAddressDeny=${address}`)

/** Where the monitor cannot stay up, as where it ended in good order. */
function overUnit(): ExtraFile {
  const lines = [
    '[Unit]',
    'Description=Pilotage: end of the pilot',
    '',
    '[Service]',
    'Type=oneshot',
    `ExecStart=${stopPilot}`,
    '',
  ]
  return { path: '/etc/systemd/system/pilotage-over.service', permissions: '0644', content: lines.join('\n') }
}

const stopPilot = '/bin/sh -c "systemctl --no-block stop pilotage-pilot.service"'

function monitorUnit({ isLent = false, isMetadataOpen = false }: UnitTraits): ExtraFile {
  const ends = isLent ? ['OnFailure=pilotage-over.service'] : ['StartLimitAction=poweroff', 'SuccessAction=poweroff']
  return unit('pilotage-monitor', 'Pilotage: monitor of this machine', isLent, {
    unit: ['StartLimitIntervalSec=300', 'StartLimitBurst=5', ...ends],
    service: [
      // With root's powers, also where it fails and is started again: only its good end is the end.
      ...(isLent
        ? [`ExecStopPost=+/bin/sh -c "[ $SERVICE_RESULT != success ] || systemctl --no-block stop pilotage-pilot.service"`]
        : []),
      'Restart=on-failure',
      'RestartSec=2',
      'NoNewPrivileges=yes',
      'ProtectSystem=strict',
      'ProtectHome=yes',
      'PrivateTmp=yes',
      'ReadWritePaths=/var/lib/pilotage /run/pilotage',
      ...(isMetadataOpen ? [] : closedLines),
    ],
  })
}

function pilotUnit({ isLent = false }: UnitTraits): ExtraFile {
  return unit('pilotage-pilot', 'Pilotage: pilot of this machine', isLent, {
    unit: ['StartLimitIntervalSec=600', 'StartLimitBurst=5'],
    service: [
      'Restart=on-failure',
      'RestartSec=2',
      'Delegate=memory pids cpu',
      'TimeoutStopSec=30',
      `AmbientCapabilities=${pilotPowers}`,
      `CapabilityBoundingSet=${pilotPowers}`,
      'LimitNOFILE=65536',
      ...closedLines,
    ],
  })
}

/** To become a payload's account, to signal it, and to give it its folders. What is in those it touches as that account. */
export const pilotPowers = 'CAP_SETUID CAP_SETGID CAP_KILL CAP_CHOWN'

type Lines = { readonly unit: readonly string[]; readonly service: readonly string[] }

function unit(name: string, description: string, isLent: boolean, lines: Lines): ExtraFile {
  const agent = name.replace('pilotage-', '')
  const output = isLent ? 'journal' : 'journal+console'
  const content = [
    '[Unit]',
    `Description=${description}`,
    'After=network-online.target',
    ...lines.unit,
    '',
    '[Service]',
    'User=pilotage',
    'Group=pilotage',
    'UMask=0077',
    'WorkingDirectory=/var/lib/pilotage',
    `ExecStart=/usr/lib/pilotage/node /usr/lib/pilotage/${agent}.cjs`,
    `StandardOutput=${output}`,
    `StandardError=${output}`,
    ...lines.service,
    '',
  ].join('\n')
  return { path: `/etc/systemd/system/${name}.service`, permissions: '0644', content }
}
