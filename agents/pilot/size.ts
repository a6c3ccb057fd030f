/** What a VM has and what a payload takes: cores, memory, disk. Small arithmetic, so that packing reads as what it means. */

export type Size = { readonly cores: number; readonly memoryBytes: number; readonly diskBytes: number }

export function sum(sizes: readonly Size[]): Size {
  let [cores, memoryBytes, diskBytes] = [0, 0, 0]
  for (const size of sizes) {
    cores += size.cores
    memoryBytes += size.memoryBytes
    diskBytes += size.diskBytes
  }
  return { cores, memoryBytes, diskBytes }
}

export function fits(wanted: Size, whole: Size): boolean {
  return wanted.cores <= whole.cores && wanted.memoryBytes <= whole.memoryBytes && wanted.diskBytes <= whole.diskBytes
}

/** What is left of it; never below nothing, since nobody can take what is not there. */
export function rest(whole: Size, taken: Size): Size {
  return {
    cores: Math.max(0, whole.cores - taken.cores),
    memoryBytes: Math.max(0, whole.memoryBytes - taken.memoryBytes),
    diskBytes: Math.max(0, whole.diskBytes - taken.diskBytes),
  }
}
