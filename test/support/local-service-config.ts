/** A service with one local cloud of two small VMs, which runs the jobs of a test within a second or two. */

export const localServiceConfig = {
  grpc: { port: 0 },
  dashboard: { port: 0 },
  clouds: [
    {
      name: 'local',
      kind: 'local',
      isolation: 'plain',
      local: { bootDelay: '100ms' },
      limits: { maxVms: 2, maxCores: 8, maxCreatesPerStep: 2 },
      flavors: [{ name: 'four', cores: 4, memory: '2GiB', disk: '4GiB' }],
    },
  ],
  director: { interval: '500ms', settle: '1s' },
} as const
