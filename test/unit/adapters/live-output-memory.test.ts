import { memoryLiveOutput } from '../../../services/adapters/live-output/memory/memory-live-output.ts'
import { liveOutputContract } from '../../contract/live-output.ts'

liveOutputContract('memory', async () => memoryLiveOutput())
