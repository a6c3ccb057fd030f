import { systemClock } from '../../../core/kernel/clock.ts'
import { localBus } from '../../../services/adapters/bus/local/local-bus.ts'
import { busContract } from '../../contract/bus.ts'

busContract('local', async () => {
  const bus = localBus(systemClock())
  return { here: bus, there: bus, settled: async () => {}, close: async () => {} }
})
