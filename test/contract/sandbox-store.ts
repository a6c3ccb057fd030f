/** What every store must do with claims on content. An adapter's test calls this with a way to open an empty one. */

import { describe, expect, it } from 'vitest'
import type { JobId } from '../../core/kernel/ids.ts'
import type { InputFile } from '../../core/model/sandbox-file.ts'
import type { Store } from '../../core/ports/store.ts'
import { alice, bob, sampleSpec, sampleSubmission } from '../../sim/samples.ts'

const digest = (letter: string): string => letter.repeat(64)
const file = (letter: string): InputFile => ({ path: letter, digest: digest(letter), bytes: 10, executable: false })
const day = 24 * 60 * 60 * 1000
const limit = 100

async function put(store: Store, letter: string, nowMs: number, owner = alice): Promise<void> {
  expect(await store.claim(owner, file(letter), 1000, nowMs)).toEqual({ ok: true, isWhole: false })
  expect(await store.settleClaim(owner, digest(letter), nowMs)).toBe(true)
}

/** What is to be removed at this moment, where claims live for a day. */
async function ended(store: Store, nowMs: number): Promise<readonly string[]> {
  return (await store.endClaims(nowMs - day, limit, nowMs)).map((blob) => `${blob.vo} ${blob.digest[0]}`).sort()
}

/** Submits one job with these inputs, claims and ends it. */
async function job(store: Store, letters: string, nowMs: number): Promise<JobId> {
  const submission = sampleSubmission([sampleSpec({ inputFiles: [...letters].map(file) })])
  const outcome = await store.submit(submission, nowMs)
  if (!outcome.ok) throw new Error(outcome.why)
  return outcome.firstId
}

export function sandboxStoreContract(name: string, open: () => Promise<{ readonly store: Store }>): void {
  describe(`claims on content: ${name}`, () => {
    it('are whole when they are settled, each for its own owner', async () => {
      const { store } = await open()
      await store.claim(alice, file('a'), 1000, 1)
      expect(await store.renewClaims(alice, [digest('a')], 2)).toEqual([])
      expect(await store.settleClaim(alice, digest('a'), 3)).toBe(true)
      expect(await store.renewClaims(alice, [digest('a'), digest('b')], 4)).toEqual([{ digest: digest('a'), bytes: 10 }])
      expect(await store.claim(alice, file('a'), 1000, 5)).toEqual({ ok: true, isWhole: true })
      expect(await store.renewClaims(bob, [digest('a')], 4)).toEqual([])
      expect(await store.settleClaim(bob, digest('a'), 5)).toBe(false)
    })

    it('are refused beyond what an owner may have, and count until they end', async () => {
      const { store } = await open()
      await store.claim(alice, { digest: digest('a'), bytes: 60 }, 100, 1)
      const second = { digest: digest('b'), bytes: 41 }
      expect(await store.claim(alice, second, 100, 1)).toEqual({ ok: false, why: 'quota', usedBytes: 60 })
      // Again the same costs nothing, and another owner has a limit of its own.
      expect(await store.claim(alice, { digest: digest('a'), bytes: 60 }, 100, 1)).toMatchObject({ ok: true })
      expect(await store.claim(bob, second, 100, 1)).toMatchObject({ ok: true })
      expect(await ended(store, day + 2)).toEqual(['belle b', 'lhcb a'])
      await store.blobsRemoved([
        { vo: 'lhcb', digest: digest('a') },
        { vo: 'belle', digest: digest('b') },
      ])
      expect(await store.claim(alice, second, 100, day + 3)).toMatchObject({ ok: true })
    })

    it('end a day after they were renewed, and not before', async () => {
      const { store } = await open()
      await put(store, 'a', 1000)
      await store.renewClaims(alice, [digest('a')], 5000)
      expect(await ended(store, day + 5000)).toEqual([])
      expect(await ended(store, day + 5001)).toEqual(['lhcb a'])
    })

    it('last while a job that is kept names the content, and end a day after it is forgotten', async () => {
      const { store } = await open()
      await put(store, 'a', 1000)
      await put(store, 'b', 1000)
      const id = await job(store, 'a', 2000)
      let nowMs = 2000 + 2 * day
      expect(await ended(store, nowMs)).toEqual(['lhcb b'])
      await store.change([{ kind: 'kill', jobId: id, by: 'ada', why: '' }], nowMs)
      nowMs += 2 * day
      expect(await ended(store, nowMs)).toEqual(['lhcb b'])
      expect(await store.forget(nowMs, 10)).toEqual([id])
      expect(await ended(store, nowMs)).toEqual(['lhcb b'])
      expect(await ended(store, nowMs + day + 1)).toEqual(['lhcb a', 'lhcb b'])
    })

    it('of one owner are not held by the jobs of another', async () => {
      const { store } = await open()
      await put(store, 'a', 1000)
      const carol = { ...alice, owner: 'carol' }
      await put(store, 'a', 1000, carol)
      await job(store, 'a', 2000)
      expect(await ended(store, 2000 + 2 * day)).toEqual([])
      // Carol's claim is over; the content stays, since Alice's job names it.
      expect(await store.renewClaims(carol, [digest('a')], 2000 + 2 * day)).toEqual([])
      expect(await store.renewClaims(alice, [digest('a')], 2000 + 2 * day)).toHaveLength(1)
    })

    it('cannot begin while the content is being removed, and can afterwards', async () => {
      const { store } = await open()
      await put(store, 'a', 1000)
      expect(await ended(store, day + 2000)).toEqual(['lhcb a'])
      expect(await store.claim(alice, file('a'), 1000, day + 2000)).toEqual({ ok: false, why: 'removing' })
      // A process that died before it removed anything: the next one is given it again.
      expect(await ended(store, day + 2000)).toEqual(['lhcb a'])
      await store.blobsRemoved([{ vo: 'lhcb', digest: digest('a') }])
      expect(await ended(store, day + 2000)).toEqual([])
      await put(store, 'a', day + 3000)
    })

    it('that never became whole end as well', async () => {
      const { store } = await open()
      await store.claim(alice, file('a'), 1000, 1000)
      expect(await ended(store, day + 1001)).toEqual(['lhcb a'])
      expect(await store.settleClaim(alice, digest('a'), day + 1002)).toBe(false)
    })

    it('last for content that an output file has, until its job is forgotten', async () => {
      const { store } = await open()
      const id = await job(store, '', 1000)
      const ref = { jobId: id, attempt: 1 }
      await put(store, 'a', 1000)
      await put(store, 'b', 1000)
      await store.keepOutputFile(ref, alice, file('b'))
      await store.keepOutputFile(ref, alice, { ...file('a'), path: 'b', executable: true })
      await store.keepOutputFile({ ...ref, attempt: 2 }, alice, { ...file('a'), path: 'a/b' })
      // The file of the same path is replaced.
      expect(await store.outputFiles(ref)).toEqual([{ ...file('a'), path: 'b', executable: true }])
      expect(await store.outputFiles({ ...ref, attempt: 2 })).toEqual([{ ...file('a'), path: 'a/b' }])
      expect(await store.outputFiles({ ...ref, attempt: 3 })).toEqual([])
      let nowMs = 1000 + 2 * day
      expect(await ended(store, nowMs)).not.toContain('lhcb a')
      await store.change([{ kind: 'kill', jobId: id, by: 'ada', why: '' }], nowMs)
      await store.forget(nowMs + 1, 10)
      expect(await store.outputFiles(ref)).toEqual([])
      nowMs += 2 * day
      expect(await ended(store, nowMs)).toContain('lhcb a')
    })

    it('last for jobs of a submission in many parts', async () => {
      const { store } = await open()
      await put(store, 'a', 1000)
      await put(store, 'b', 1000)
      const spec = (at: number) =>
        sampleSpec({ inputFiles: at === 4500 ? [file('a'), file('b')] : at === 0 ? [file('a')] : [] })
      await store.submit(sampleSubmission(Array.from({ length: 5000 }, (_, at) => spec(at))), 2000)
      expect(await ended(store, 2000 + 2 * day)).toEqual([])
    })
  })
}
