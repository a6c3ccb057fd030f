import { expect, it } from 'vitest'
import { impossibleCores } from '../../../cli/demo/jobs.ts'
import { demoConfig } from '../../../cli/demo/service-config.ts'
import { replayConfig, widestCores } from '../../../cli/replay/service-config.ts'
import { compileConfig } from '../../../services/run/configuration.ts'

const widest = (raw: unknown): number =>
  Math.max(...compileConfig(raw).clouds.flatMap(({ offerings }) => offerings.map(({ cores }) => cores)))

it('brings configurations that a service accepts, on ports of its own', () => {
  for (const raw of [demoConfig, replayConfig]) {
    const { grpc, dashboard } = compileConfig(raw)
    expect([grpc.port, dashboard.port]).toEqual([0, 0])
  }
})

it('takes from a trace what its machines can run, and asks in the demo for more than any has', () => {
  expect(widest(replayConfig)).toBe(widestCores)
  expect(widest(demoConfig)).toBeLessThan(impossibleCores)
})
