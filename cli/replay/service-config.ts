/**
 * The service that a replay starts for itself: one local cloud whose VMs declare far more cores than this machine has.
 *
 * Sleeping payloads use none of them; 128 slots are what the first 5 000 jobs of the LCG trace need at the compression of
 * two minutes. A trace with wider jobs gets a flavor that is as wide as the widest of them, and room for two such VMs beside
 * the others. VMs that are idle for some seconds stop, so that the report sees machines come and go.
 */

const usualCores = 16
const usualLimit = 128
const pricePerCore = 0.01

/** For jobs of at most this number of cores. */
export function replayConfig(widestCores: number): object {
  const widths = widestCores > usualCores ? [usualCores, widestCores] : [usualCores]
  return {
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
        limits: { maxVms: 8, maxCores: usualLimit + (widths[1] ?? 0) * 2, maxCreatesPerStep: 4 },
        flavors: widths.map((cores) => ({
          name: `${cores}-core`,
          cores,
          // The same for every width: as many payloads as fit in it are processes of this machine.
          memory: '4GiB',
          disk: '8GiB',
          pricePerHour: cores * pricePerCore,
        })),
        images: [{ name: 'plain', platform: 'linux' }],
      },
    ],
    director: { interval: '1s', settle: '2s' },
    vm: { idleTimeout: '8s', minLifetime: '0s', heartbeatInterval: '2s' },
  }
}
