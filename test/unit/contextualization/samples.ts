/** Orders of machines as tests want them, each with what differs. */

import { accountsFor } from '../../../contextualization/bootstrap.ts'
import type { MachineOrder, SquidOrder } from '../../../contextualization/order.ts'
import type { AgentConfig } from '../../../core/model/agent-config.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import { noAmounts } from '../../../core/model/resources.ts'

export const config: AgentConfig = {
  vmId: 'vm-abcdefgh23' as VmId,
  endpoint: 'pilotage.example.org:7400',
  caPem: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
  activationKey: 'key-of-the-golden-test',
  cloud: 'here',
  site: 'home',
  platform: 'linux',
  size: { cores: 2, ...noAmounts, memoryBytes: 4_294_967_296, diskBytes: 10_737_418_240 },
  sizeFrom: 'machine',
  policy: { idleMs: 1, leastLifeMs: 0, endByMs: 2, deadManMs: 3, leastDiskFreeBytes: 4 },
  payloadAccounts: accountsFor(2),
  powerOff: [],
}

export const base = 'http://pilotage.example.org:7402'

export function fetched(digit: string) {
  return { urls: [`${base}/agents/${digit.repeat(64)}`], sha256: digit.repeat(64) }
}

export function machineOrder(changes: Partial<MachineOrder> = {}): MachineOrder {
  return {
    config,
    pilot: fetched('1'),
    monitor: fetched('2'),
    nodes: [{ ...fetched('3'), platform: 'linux-x64' }],
    proxies: ['http://squid-1.example.org:3128', 'http://squid-2.example.org:3128'],
    isDirectAllowed: true,
    proxiesUrls: [`${base}/sites/home/proxies`],
    cvmfs: { repositories: ['lhcb.cern.ch', 'sft.cern.ch'], cacheBytes: 4 * 1024 ** 3, parameters: { CVMFS_TIMEOUT: '5' } },
    extras: { packages: [], files: [], commands: [] },
    ...changes,
  }
}

export function squidOrder(changes: Partial<SquidOrder> = {}): SquidOrder {
  const { payloadAccounts: _none, ...others } = config
  return {
    config: { ...others, service: { kind: 'squid', port: 3128 } },
    monitor: fetched('2'),
    nodes: [{ ...fetched('3'), platform: 'linux-x64' }],
    extras: { packages: [], files: [], commands: [] },
    ...changes,
  }
}
