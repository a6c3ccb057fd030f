/**
 * The demo's service: one local cloud of small machines, a quick director, and machines that leave when they are idle for
 * some seconds. The declared cores are a few more than a laptop has: the computations are short.
 */

export const demoConfig = {
  grpc: { port: 0 },
  dashboard: { port: 0 },
  log: { level: 'warn' },
  clouds: [
    {
      name: 'local',
      kind: 'local',
      site: 'here',
      local: { bootDelay: '500ms' },
      limits: { maxVms: 4, maxCores: 16, maxCreatesPerStep: 2 },
      flavors: [
        { name: 'small', cores: 2, memory: '2GiB', disk: '4GiB', pricePerHour: 0.02 },
        { name: 'large', cores: 4, memory: '4GiB', disk: '8GiB', pricePerHour: 0.04 },
      ],
      images: [{ name: 'plain', platform: 'linux' }],
    },
  ],
  director: { interval: '1s', settle: '2s' },
  vm: { idleTimeout: '4s', minLifetime: '0s', heartbeatInterval: '1s' },
} as const
