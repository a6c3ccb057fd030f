/** Configurations of a service with one local cloud whose VMs have one size. */

export type LocalVms = {
  readonly maxVms: number
  /** Per VM, as the other sizes. */
  readonly cores: number
  readonly memory: string
  readonly disk: string
  /** Absent: the default. */
  readonly maxCreatesPerStep?: number
  readonly isolation?: string
  readonly local?: object
}

/** The whole list of clouds. */
export function localClouds({ maxVms, cores, memory, disk, maxCreatesPerStep, ...more }: LocalVms): readonly object[] {
  const limits = { maxVms, maxCores: maxVms * cores, ...(maxCreatesPerStep === undefined ? {} : { maxCreatesPerStep }) }
  return [{ name: 'local', kind: 'local', ...more, limits, flavors: [{ name: 'one-size', cores, memory, disk }] }]
}

/** With two small VMs, which run the jobs of a test within a second or two. */
export const localServiceConfig = {
  grpc: { port: 0 },
  dashboard: { port: 0 },
  clouds: localClouds({
    maxVms: 2,
    cores: 4,
    memory: '2GiB',
    disk: '4GiB',
    maxCreatesPerStep: 2,
    isolation: 'plain',
    local: { bootDelay: '100ms' },
  }),
  director: { interval: '500ms', settle: '1s' },
}
