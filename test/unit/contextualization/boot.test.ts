/** A rendered context on a VM of the local cloud: what the document says is what happens there. */

import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { renderContext, type AgentBundle } from '../../../contextualization/render.ts'
import { systemClock, until } from '../../../core/kernel/clock.ts'
import { agentPaths, type AgentConfig } from '../../../core/model/agent-config.ts'
import { newVmId } from '../../../core/kernel/ids.ts'
import { systemRandom } from '../../../core/kernel/random.ts'
import { testedLocalCloud, type TestedLocalCloud } from '../../support/local-machines.ts'
import { noAmounts } from '../../../core/model/resources.ts'

const clock = systemClock()
const soon = { withinMs: 8000, everyMs: 20 }
const vmId = newVmId(systemRandom())
const place = { cloud: 'here', site: 'home', platform: 'x86_64' }
const size = { cores: 1, ...noAmounts, memoryBytes: 2 ** 30, diskBytes: 2 ** 30 }

const config: AgentConfig = {
  vmId,
  endpoint: '127.0.0.1:1',
  activationKey: 'key-that-must-not-leak',
  ...place,
  size,
  sizeFrom: 'context',
  policy: { idleMs: 1000, leastLifeMs: 0, endByMs: 0, deadManMs: 1000, leastDiskFreeBytes: 0 },
  powerOff: [],
}

/** Every agent below knows who it is from the file that it was given. */
const opening = `
  import { appendFileSync, existsSync, readFileSync } from 'node:fs'
  const root = process.env.PILOTAGE_ROOT
  const { vmId } = JSON.parse(readFileSync(root + '${agentPaths.config}', 'utf8'))
`

let top: string
let cloud: TestedLocalCloud

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'pilotage boot-'))
  const quota = { vms: 1, cores: 1, memoryBytes: Infinity }
  cloud = testedLocalCloud({
    name: 'here',
    installation: 'test',
    directory: join(top, 'cloud'),
    clock,
    bootDelayMs: 0,
    quota,
  })
})

afterEach(async () => {
  for (const { ref } of await cloud.list()) expect(await cloud.destroy(ref)).toBe('gone')
  rmSync(top, { recursive: true, force: true })
  expect(cloud.pidsOf(vmId)).toEqual([])
})

function bundle(name: string, text: string): AgentBundle {
  const path = join(top, `${name}.mjs`)
  writeFileSync(path, opening + text)
  const sha256 = createHash('sha256')
    .update(opening + text)
    .digest('hex')
  return { source: pathToFileURL(path).href, sha256 }
}

async function start(pilot: AgentBundle, monitor: AgentBundle): Promise<string> {
  const shape = { ...place, ...size, flavor: 'small', image: 'any', tags: [], vos: [], pricePerHour: 0 }
  const { ref } = await cloud.create({ vmId, shape, userData: renderContext({ config, pilot, monitor }) })
  return ref
}

async function says(ref: string, words: string): Promise<boolean> {
  return until(clock, async () => (await cloud.consoleLog(ref)).includes(words), soon)
}

async function isOver(): Promise<boolean> {
  return until(clock, async () => (await cloud.list())[0]?.power === 'stopped', soon)
}

const waiting = "console.log('waiting', vmId); setInterval(() => {}, 1000)"

it('starts both agents with their configuration, and ends with the monitor', async () => {
  const monitor = bundle(
    'monitor',
    "console.log('monitor of', vmId); const at = root + '/run/pilotage/end';\n" +
      'setInterval(() => { if (existsSync(at)) process.exit(0) }, 20)',
  )
  const ref = await start(bundle('pilot', waiting), monitor)
  expect(await says(ref, `waiting ${vmId}`)).toBe(true)
  expect(await says(ref, `monitor of ${vmId}`)).toBe(true)
  const root = join(top, 'cloud', ref, 'root')
  expect(statSync(join(root, agentPaths.config)).mode & 0o777).toBe(0o600)
  for (const pid of cloud.pidsOf(vmId)) {
    const visible = ['cmdline', 'environ'].map((file) => readFileSync(`/proc/${pid}/${file}`, 'utf8')).join()
    expect(visible).not.toContain(config.activationKey)
  }
  writeFileSync(join(root, 'run/pilotage/end'), '')
  expect(await isOver()).toBe(true)
  expect(await until(clock, () => cloud.pidsOf(vmId).length === 0, soon)).toBe(true)
  expect(await cloud.consoleLog(ref)).not.toContain(config.activationKey)
})

it('starts a pilot again that ended badly, and lets one be that ended well', async () => {
  const failsOnce =
    "appendFileSync(root + '/run/pilotage/starts', '.'); const starts = readFileSync(root + '/run/pilotage/starts').length\n" +
    "console.log('start', starts); process.exit(starts === 1 ? 1 : 0)"
  const ref = await start(bundle('pilot', failsOnce), bundle('monitor', waiting))
  expect(await says(ref, 'the pilot ended badly, 4 more starts')).toBe(true)
  expect(await says(ref, 'start 2')).toBe(true)
  expect(await until(clock, async () => (await cloud.consoleLog(ref)).includes('start 3'), { withinMs: 300 })).toBe(false)
})

it('starts nothing whose digest is another', async () => {
  const changed = { ...bundle('monitor', waiting), sha256: '0'.repeat(64) }
  const ref = await start(bundle('pilot', waiting), changed)
  expect(await isOver()).toBe(true)
  expect(await cloud.consoleLog(ref)).not.toContain('waiting')
  expect(await cloud.consoleLog(ref)).toContain('ended with 1')
})
