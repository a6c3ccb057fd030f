/**
 * The service that a replay starts for itself: one local cloud whose VMs declare far more cores than this machine has.
 *
 * Sleeping payloads use none of them; 128 slots are what the first 5 000 jobs of the LCG trace need at the compression of
 * two minutes. VMs that are idle for some seconds stop, so that the report sees machines come and go.
 */

export const widestCores = 16

export const replayConfig = {
  grpc: { port: 0 },
  dashboard: { port: 0 },
  log: { level: 'warn' },
  clouds: [
    {
      name: 'local',
      kind: 'local',
      // Its payloads only sleep, some forty of them start per second, and all are the replay's own.
      isolation: 'plain',
      site: 'here',
      local: { bootDelay: '200ms' },
      limits: { maxVms: 8, maxCores: 128, maxCreatesPerStep: 4 },
      flavors: [{ name: 'wide', cores: widestCores, memory: '4GiB', disk: '8GiB', pricePerHour: 0.16 }],
      images: [{ name: 'plain', platform: 'linux' }],
    },
  ],
  director: { interval: '1s', settle: '2s' },
  vm: { idleTimeout: '8s', minLifetime: '0s', heartbeatInterval: '2s' },
} as const
