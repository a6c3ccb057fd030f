/**
 * Wrong input against a whole service in this process: a clear typed refusal, and nothing changed. The cases that take
 * seconds are left to `npm run e2e -- wrong-input`, which does all of them against a service of its own.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import { silentLog } from '../../../core/ports/log.ts'
import { type Service, startService } from '../../../services/run/compose.ts'
import { commandOf, endAllUnder, leftUnder } from '../../support/processes.ts'
import { tryCase, wrongInputCases } from '../../support/wrong-input/trial.ts'
import { makeWorld, pictureOf, unmakeWorld, type World, worldConfig } from '../../support/wrong-input/world.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 })

const clock = systemClock()
const dir = mkdtempSync(join(tmpdir(), 'pilotage-wrong-input-'))
let service: Service
let world: World
let picture: string

beforeAll(async () => {
  service = await startService({ dataDir: join(dir, 'data'), config: worldConfig, log: silentLog() })
  world = await makeWorld(clock, service.dataDir, service.server, service.adminToken)
  picture = await pictureOf(world)
})

afterAll(async () => {
  world?.close()
  await service?.stop()
  if (world) await unmakeWorld(world)
  const left = await leftUnder(clock, dir, 5000)
  await endAllUnder(clock, dir)
  rmSync(dir, { recursive: true, force: true })
  expect(left.map(commandOf)).toEqual([])
})

it.each(wrongInputCases.filter(({ slow = false }) => !slow).map((one) => [one.name, one] as const))('%s', async (_, one) => {
  const { tried, after } = await tryCase(world, one, picture)
  picture = after
  expect(tried).toEqual({ name: one.name, wasRefused: true, hasChanged: false, wrong: [] })
})
