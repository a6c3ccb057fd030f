import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { run as runCommand } from '../../support/run-command.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'pilotage-simulate-'))
  const lines = Array.from(
    { length: 30 },
    (_, at) => `${at + 1} ${at} -1 600 1 -1 -1 1 900 -1 -1 ${at % 3} 1 -1 -1 -1 -1 -1`,
  )
  writeFileSync(join(dir, 'trace.swf'), `; of a test\n${lines.join('\n')}\n`)
  writeFileSync(join(dir, 'site.yaml'), 'clouds: [{name: north, flavors: [{name: one, cores: 1, memory: 2GiB}]}]\n')
  writeFileSync(join(dir, 'wrong.yaml'), 'clouds: [{name: north, flavours: []}]\nvm: {idleTimout: 5min}\n')
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const simulate = (...argv: readonly string[]) =>
  runCommand(['simulate', '--trace', 'trace.swf', '--config', 'site.yaml', ...argv], { workDir: dir })

it('prints a row per policy and writes the report, and the same one again', async () => {
  const first = await simulate('--policy', 'pilotage,vmdirac,elastiq,cloudscheduler', '--out', 'one')
  expect(first.code, first.err).toBe(0)
  expect(first.out).toMatch(/^trace\.swf: 30 jobs of 1 VOs in 3 task queues, 5 core hours/)
  expect(first.out.match(/^(?:pilotage|vmdirac|elastiq|cloudscheduler) +30 +0 +0 /gm)).toHaveLength(4)
  await simulate('--policy', 'pilotage,vmdirac,elastiq,cloudscheduler', '--out', 'two')
  for (const file of ['report.json', 'report.html', 'waste.svg', 'pilotage-jobs.svg', 'elastiq-shares.svg'])
    expect(readFileSync(join(dir, 'two', file)).equals(readFileSync(join(dir, 'one', file)))).toBe(true)
  // It never replaces a report.
  expect((await simulate('--out', 'one')).code).toBe(1)
})

it('takes a part of the trace, another scale and another seed', async () => {
  const jobsOf = async (...argv: readonly string[]): Promise<number> =>
    (JSON.parse((await simulate('--json', ...argv)).out) as { trace: { jobs: number } }).trace.jobs
  expect(await jobsOf('--jobs', '7')).toBe(7)
  expect(await jobsOf('--scale', '0.1')).toBe(3)
  expect(JSON.parse((await simulate('--json', '--seed', '9')).out)).toMatchObject({ seed: 9 })
})

it.each([
  [['--policy', 'nova'], 'there is no policy nova; accepted: pilotage, vmdirac, elastiq, cloudscheduler, cobald'],
  [['--config', 'wrong.yaml'], 'idleTimeout?'],
  [['--config', 'nothing.yaml'], 'nothing.yaml'],
  [['--trace', 'nothing.swf'], 'nothing.swf'],
  [['--scale', '0'], 'accepted'],
])('refuses %j with what would be accepted', async (argv, text) => {
  const { code, err } = await simulate(...argv)
  expect(code).not.toBe(0)
  expect(err).toContain(text)
})
