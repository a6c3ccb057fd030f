import { expect, it } from 'vitest'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import { liveOutputLimits } from '../../../core/kernel/limits.ts'
import { memoryLiveOutput } from '../../../services/adapters/live-output/memory/memory-live-output.ts'
import { outputRequests } from '../../../services/matcher/output-requests.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const a = 'vm-aaaaaaaaaa' as VmId
const b = 'vm-bbbbbbbbbb' as VmId

it('asks the pilots whose streams are here, again after a while and at once on a new stream', async () => {
  const clock = virtualClock()
  const live = memoryLiveOutput()
  const heard: string[] = []
  const stream = (name: string) => ({ peek: ({ jobId }: { jobId: number }) => void heard.push(`${name} ${jobId}`) })
  let streams = new Map([[a, stream('first')]])
  const of = (vmId: VmId) => streams.get(vmId)
  const requests = outputRequests(live, { enter: () => {}, leave: () => {}, of, running: () => [] }, clock)
  const want = async (jobId: number, vmId: VmId) => {
    const untilMs = clock.nowMs() + liveOutputLimits.interestMs
    await live.want({ jobId: jobId as JobId, attempt: 1, name: 'stdout', vmId, untilMs }, clock.nowMs())
  }
  await requests.step()
  await want(1, a)
  await want(2, b)
  await requests.step()
  await requests.step()
  expect(heard.splice(0)).toEqual(['first 1'])
  await clock.advance(liveOutputLimits.askEveryMs)
  await requests.step()
  expect(heard.splice(0)).toEqual(['first 1'])
  streams = new Map([
    [a, stream('second')],
    [b, stream('other')],
  ])
  await requests.step()
  expect(heard.splice(0)).toEqual(['second 1', 'other 2'])
  await clock.advance(liveOutputLimits.interestMs)
  await requests.step()
  expect(heard).toEqual([])
})
