/**
 * The two services of a machine. The monitor's life is the machine's: with its end the machine is switched off, and so it is
 * when it cannot stay up. The pilot is started again as often as it ends badly, within reason.
 *
 * Least authority: both run under one account that is not root; the pilot may also change to the payloads' accounts, and keep
 * order among their processes and files. Neither, and no payload, reaches the cloud's metadata address: what lies there has
 * been read. A payload lives in the pilot's control group, so that nothing of it outlives the pilot.
 */

import type { ExtraFile } from './order.ts'

const metadata = ['169.254.169.254', 'fd00:ec2::254']

export function unitFiles(): readonly ExtraFile[] {
  return [
    unit('pilotage-monitor', 'Pilotage: monitor of this machine', {
      unit: ['StartLimitIntervalSec=300', 'StartLimitBurst=5', 'StartLimitAction=poweroff', 'SuccessAction=poweroff'],
      service: [
        'Restart=on-failure',
        'RestartSec=2',
        'NoNewPrivileges=yes',
        'ProtectSystem=strict',
        'ProtectHome=yes',
        'PrivateTmp=yes',
        'ReadWritePaths=/var/lib/pilotage /run/pilotage',
      ],
    }),
    unit('pilotage-pilot', 'Pilotage: pilot of this machine', {
      unit: ['StartLimitIntervalSec=600', 'StartLimitBurst=5'],
      service: [
        'Restart=on-failure',
        'RestartSec=2',
        'Delegate=memory pids cpu',
        'TimeoutStopSec=30',
        `AmbientCapabilities=${pilotPowers}`,
        `CapabilityBoundingSet=${pilotPowers}`,
        'LimitNOFILE=65536',
      ],
    }),
  ]
}

const pilotPowers = 'CAP_SETUID CAP_SETGID CAP_KILL CAP_CHOWN CAP_FOWNER CAP_DAC_OVERRIDE'

type Lines = { readonly unit: readonly string[]; readonly service: readonly string[] }

function unit(name: string, description: string, lines: Lines): ExtraFile {
  const agent = name.replace('pilotage-', '')
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
    'StandardOutput=journal+console',
    'StandardError=journal+console',
    ...metadata.map((address) => `IPAddressDeny=${address}`),
    ...lines.service,
    '',
  ].join('\n')
  return { path: `/etc/systemd/system/${name}.service`, permissions: '0644', content }
}
