/** Which output there is: an empty one only where the attempt has ended and printed nothing. */

import { expect, it } from 'vitest'
import type { Caller } from '../../../core/access/caller.ts'
import type { JobId } from '../../../core/kernel/ids.ts'
import type { Job } from '../../../core/model/job.ts'
import { type OutputPorts, readOutput } from '../../../services/jobs/read-output.ts'
import { alice, bob, sampleResult } from '../../../sim/samples.ts'

const asAlice: Caller = { owner: alice, reach: 'own', sight: 'vo' }

/** What is kept, by attempt and name. */
function ports(job: Partial<Job>, kept: Readonly<Record<string, string>> = {}): OutputPorts {
  const whole = { ...alice, id: 1 as JobId, attempt: 2, ...job } as Job
  return {
    store: { jobs: async (ids) => (ids.includes(whole.id) ? [whole] : []) },
    sandbox: {
      async read({ attempt }, name) {
        const text = kept[`${attempt} ${name}`]
        return text === undefined
          ? undefined
          : (async function* () {
              yield Buffer.from(text)
            })()
      },
    },
  }
}

async function read(from: OutputPorts, changes: object = {}, caller = asAlice): Promise<string> {
  const pieces = await readOutput(from, caller, { jobId: 1 as JobId, attempt: undefined, name: 'stdout', ...changes })
  let text = ''
  for await (const piece of pieces ?? []) text += Buffer.from(piece).toString()
  return text
}

const done = (stdoutBytes: number): Partial<Job> => ({
  phase: { state: 'Done', result: { ...sampleResult(), stdoutBytes, stderrBytes: 0 } } as Job['phase'],
})

it('is read of the last attempt, or of the one that is named', async () => {
  const kept = { '1 stdout': 'first', '2 stdout': 'second', '2 stderr': 'error' }
  expect(await read(ports(done(6), kept))).toBe('second')
  expect(await read(ports(done(6), kept), { attempt: 1 })).toBe('first')
  expect(await read(ports(done(6), kept), { name: 'stderr' })).toBe('error')
})

it('is empty where the last attempt has ended and printed nothing', async () => {
  expect(await read(ports(done(0)))).toBe('')
  expect(await read(ports(done(5)), { name: 'stderr' })).toBe('')
})

const running = { phase: { state: 'Running', lease: {} } as unknown as Job['phase'] }
const killed = { attempt: 0, phase: { state: 'Killed', by: 'alice', why: '' } as unknown as Job['phase'] }

it.each([
  ['an attempt that there never was', done(0), { attempt: 7 }, /no attempt 7; its last one is 2/],
  ['a job that never ran', killed, {}, /never ran/],
  ['an attempt that runs', running, {}, /is kept when the attempt ends/],
  ['an output that was printed and is not kept', done(5), {}, /no stdout of attempt 2/],
  ['an earlier attempt that was lost with its VM', done(0), { attempt: 1 }, /no stdout of attempt 1/],
  ['another job', done(0), { jobId: 2 }, /no job 2/],
])('is not found of %s', async (_, job, changes, message) => {
  const reading = read(ports(job), changes)
  await expect(reading).rejects.toMatchObject({ code: 'not-found', message: expect.stringMatching(message) })
})

it('of another member of the VO is forbidden, and of another VO as unknown as a job that does not exist', async () => {
  const [other, foreign] = [ports({ ...done(0), owner: 'carol' }), ports({ ...done(0), ...bob, vo: 'elsewhere' })]
  await expect(read(other)).rejects.toMatchObject({ code: 'forbidden', message: expect.stringMatching(/its output/) })
  await expect(read(foreign)).rejects.toMatchObject({ code: 'not-found' })
})
