/** Without a token: 20 000 guesses of the activation key of a VM that exists, then keys of many mebibytes. */

import { ActivateRequest } from '../../../proto/gen/pilotage/v1/vm.ts'
import { activeVmOf } from './cancelled-streams.ts'
import type { Flood } from './flood.ts'
import { openConnection } from './raw-http2.ts'

const guesses = 20_000
const underWay = 64
const path = '/pilotage.v1.VmService/Activate'

export const activationGuesses: Flood<{ readonly vmId: string }> = {
  name: 'activation-guesses',
  about: '20 000 guesses of an activation key, and keys of 15 MiB',
  prepare: async (ground) => ({ vmId: await activeVmOf(ground) }),
  async run({ grpc, clock, signal }, { vmId }) {
    const counts: Record<string, number> = { guesses: 0 }
    const request = (activationKey: string): Buffer =>
      Buffer.from(ActivateRequest.encode({ vmId, activationKey, nonce: 'nonce-of-a-stranger' }).finish())
    const long = request('x'.repeat(15 * 1024 * 1024))
    while (!signal.aborted && (counts.guesses ?? 0) < guesses) {
      const connection = await openConnection(clock, grpc)
      if (!connection) continue
      const one = async (): Promise<void> => {
        while (!signal.aborted && connection.isOpen()) {
          const at = counts.guesses ?? 0
          counts.guesses = at + 1
          const status = await connection.call(path, at % 500 === 0 ? long : request(`guess-${at}`))
          counts[`status-${status}`] = (counts[`status-${status}`] ?? 0) + 1
        }
      }
      await Promise.all(Array.from({ length: underWay }, one))
      connection.close()
    }
    return counts
  },
}
