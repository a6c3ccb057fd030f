/** Jobs that wait for others, as users of the API and of the command have them: over a real server, through the client. */

import { afterAll, beforeAll, expect, it } from 'vitest'
import { connectPilotage, type PilotageClient } from '../../../client/pilotage-client.ts'
import { readJobDocument } from '../../../client/job-document.ts'
import type { Violation } from '../../../core/kernel/errors.ts'
import { alice, bob } from '../../../sim/samples.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'

let api: ApiInParts
let client: PilotageClient
let strangers: PilotageClient

beforeAll(async () => {
  api = await startApiInParts()
  const connect = async (owner: typeof alice): Promise<PilotageClient> => {
    const token = await api.tokenFor({ kind: 'user', owner, roles: ['user'] })
    return connectPilotage({ server: api.server, token, patienceMs: 3000 })
  }
  client = await connect(alice)
  strangers = await connect(bob)
})
afterAll(async () => {
  client.close()
  strangers.close()
  await api.stop()
})

const graph = (text: string) => readJobDocument(text).jobs
const diamond = `
- { name: prepare, executable: x }
- { name: part, executable: x, after: [prepare] }
- { name: part, executable: x, after: [prepare] }
- { name: merge, executable: x, after: [{ job: part, when: ended }] }
`

async function statesOf(ids: readonly number[]): Promise<readonly string[]> {
  const found = new Map<number, string>()
  for await (const { jobId, state, waitsFor } of client.list({ jobIds: ids })) found.set(jobId, `${state} ${waitsFor}`)
  return ids.map((id) => found.get(id) ?? '')
}

async function refusalOf(over: PilotageClient, text: string): Promise<readonly string[]> {
  const error = await over.submit(graph(text)).catch((thrown: unknown) => thrown)
  return (error as { violations: Violation[] }).violations.map(({ path, rule }) => `${path}: ${rule}`)
}

it('shows a graph that was submitted in one call: states, what each waits for, and its description by ids', async () => {
  const { jobIds } = await client.submit(graph(diamond))
  const [prepare = 0, one = 0, two = 0, merge = 0] = jobIds
  expect(await statesOf(jobIds)).toEqual(['Waiting 0', 'Blocked 1', 'Blocked 1', 'Blocked 2'])
  const { summary, finding } = await client.explain(merge)
  expect(summary).toContain(`it waits for job ${one} (when ended, is Blocked), job ${two} (when ended, is Blocked)`)
  expect(finding).toMatchObject({ kind: 'blocked', waitsFor: 2 })
  expect(finding.awaited[0]).toEqual({ jobId: one, when: 'ended', state: 'Blocked' })
  expect((await client.spec(merge)).after).toEqual([
    { job: one, when: 'ended' },
    { job: two, when: 'ended' },
  ])
  const blocked: number[] = []
  for await (const { jobId } of client.list({ states: ['Blocked'] })) blocked.push(jobId)
  expect(blocked).toEqual([merge, two, one])

  // Its parts end with it; what waits for their ends, whatever they are, does not.
  const [killed] = await client.kill([prepare], 'enough')
  expect(killed).toMatchObject({ state: 'Killed', dependants: 2 })
  for (let tries = 0; tries < 100 && (await statesOf([merge]))[0] !== 'Waiting 0'; tries += 1) await client.status()
  expect(await statesOf(jobIds)).toEqual(['Killed 0', 'Failed 0', 'Failed 0', 'Waiting 0'])
  const facts = (await client.history(merge)).map(({ kind, text }) => `${kind}: ${text}`)
  expect(facts.at(-1)).toMatch(/Waiting: .*why job \d+ is Failed/)
})

it('takes what it gave out as the description of another job', async () => {
  const { jobIds } = await client.submit(graph(diamond))
  const { after = [], ...spec } = await client.spec(jobIds[3] ?? 0)
  const again = await client.submit(
    graph(JSON.stringify({ executable: spec.executable, after: after.map((one) => ('job' in one ? one.job : '')) })),
  )
  expect((await client.spec(again.jobIds[0] ?? 0)).after?.map((one) => 'job' in one && one.job)).toEqual(jobIds.slice(1, 3))
})

it('refuses what the document alone cannot know, with the path', async () => {
  const { jobIds } = await client.submit(graph('executable: x'))
  const after = (id: number) => `executable: x\nafter: [${id}]`
  expect(await refusalOf(client, after(999_999))).toEqual(['jobs[0].after[0]: no such job'])
  expect(await refusalOf(strangers, after(jobIds[0] ?? 0))).toEqual(['jobs[0].after[0]: no such job'])
  expect((await client.submit(graph(after(jobIds[0] ?? 0)))).jobIds).toHaveLength(1)
})
