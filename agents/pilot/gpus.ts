/**
 * Which of the VM's GPUs each payload has, by their index. No two payloads that run have the same one.
 *
 * It is an agreement, and no wall: a payload reads its indexes from variables, and one that ignores them sees all GPUs.
 */

export type Gpus = {
  /** The lowest that are free; the pilot has counted them before. */
  take(key: string, count: number): readonly number[]
  free(key: string): void
}

export function openGpus(count: number): Gpus {
  const holders = new Map<number, string>()
  return {
    take(key, wanted) {
      const free = Array.from({ length: count }, (_, index) => index).filter((index) => !holders.has(index))
      const taken = free.slice(0, wanted)
      for (const index of taken) holders.set(index, key)
      return taken
    },
    free(key) {
      for (const [index, holder] of holders) if (holder === key) holders.delete(index)
    },
  }
}

/** Undefined: the VM has none, and nothing is said of them. */
export function gpuVariables(indexes: readonly number[] | undefined): Readonly<Record<string, string>> {
  if (!indexes) return {}
  const text = indexes.join(',')
  // NVIDIA's libraries read the first, AMD's the second. Empty: none.
  return { CUDA_VISIBLE_DEVICES: text, ROCR_VISIBLE_DEVICES: text, PILOTAGE_GPUS: text }
}
