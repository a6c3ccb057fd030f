/** What a project may have, less what others in it use: of Nova's limits and of our own servers. Pure. */

import type { CloudQuota } from '../../../../core/model/cloud.ts'
import type { Flavor, Server } from './compute.ts'

const mib = 1024 * 1024

/** `flavors`: for servers that name their flavor by its id alone. */
export function quotaOf(
  absolute: Readonly<Record<string, number>>,
  ours: readonly Server[],
  flavors: readonly Flavor[],
): CloudQuota {
  const sizes = ours.map(({ flavor }) =>
    flavor?.vcpus === undefined
      ? flavors.find(({ id }) => id === flavor?.id)
      : { vcpus: flavor.vcpus, ram: flavor.ram ?? 0 },
  )
  const left = (max: string, used: string, own: number): number => {
    const limit = absolute[max]
    // -1 is no limit; a cloud that does not say has none that we could know of.
    if (limit === undefined || limit < 0) return Infinity
    // Figures of two moments: others cannot use less than nothing.
    return Math.max(0, limit - Math.max(0, (absolute[used] ?? 0) - own))
  }
  return {
    vms: left('maxTotalInstances', 'totalInstancesUsed', ours.length),
    cores: left('maxTotalCores', 'totalCoresUsed', sum(sizes.map((size) => size?.vcpus ?? 0))),
    memoryBytes: left('maxTotalRAMSize', 'totalRAMUsed', sum(sizes.map((size) => size?.ram ?? 0))) * mib,
  }
}

function sum(figures: readonly number[]): number {
  return figures.reduce((total, figure) => total + figure, 0)
}
