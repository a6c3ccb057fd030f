import { expect, it } from 'vitest'
import { impossibleCores } from '../../../cli/demo/jobs.ts'
import { demoConfig } from '../../../cli/demo/service-config.ts'
import { replayConfig } from '../../../cli/replay/service-config.ts'
import { compileConfig } from '../../../services/run/configuration.ts'

const widest = (raw: unknown): number =>
  Math.max(...compileConfig(raw).clouds.flatMap(({ offerings }) => offerings.map(({ cores }) => cores)))

it('brings configurations that a service accepts, on ports of its own', () => {
  for (const raw of [demoConfig, replayConfig(1), replayConfig(1024)]) {
    const { grpc, dashboard } = compileConfig(raw)
    expect([grpc.port, dashboard.port]).toEqual([0, 0])
  }
})

it.each([1, 16, 17, 1024])('gives a replay of jobs of %i cores a machine that is wide enough, and room for it', (cores) => {
  const raw = replayConfig(cores)
  expect(widest(raw)).toBe(Math.max(16, cores))
  const [cloud] = compileConfig(raw).clouds
  expect(cloud?.limits.maxCores).toBeGreaterThanOrEqual(Math.max(128, 2 * cores))
})

it('asks in the demo for more than any machine has', () => {
  expect(widest(demoConfig)).toBeLessThan(impossibleCores)
})
