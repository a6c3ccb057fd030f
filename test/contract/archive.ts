/**
 * What every archive must do: nothing is lost or added on the way from one store to another and back, however often the way
 * is cut, and nothing is written of what is not whole. An adapter's test calls this with two kinds of places, which may be
 * one.
 */

import { createHash } from 'node:crypto'
import { Readable, Writable } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../core/kernel/clock.ts'
import type { Subject } from '../../core/model/fact-shapes.ts'
import type { ClassId, JobId, VmId } from '../../core/kernel/ids.ts'
import type { Job } from '../../core/model/job.ts'
import type { Archive } from '../../core/ports/archive.ts'
import type { Store } from '../../core/ports/store.ts'
import { seededRandom } from '../../core/kernel/random.ts'
import type { ArchiveCounts } from '../../core/model/archive.ts'
import { exportArchive } from '../../services/archive/export.ts'
import { digestOf, formatVersion, runningDigest, trailerLine } from '../../services/archive/format.ts'
import { importArchive } from '../../services/archive/import.ts'
import { fillAtRandom, oddNames } from '../support/random-store.ts'
import { activeVm, alice, sampleResult, sampleSpec, sampleSubmission } from '../../sim/samples.ts'

/** A place for one store: opened again, it is the same. */
export type ArchivePlaceHarness = {
  openStore(): Promise<Store>
  openArchive(): Promise<Archive>
}

export type ArchiveHarness = {
  /** An empty place of the kind that is tested. */
  readonly here: () => Promise<ArchivePlaceHarness>
  /** An empty place of the other end of the way. */
  readonly there: () => Promise<ArchivePlaceHarness>
}

const clock = systemClock()
const many = 100_000
/** Each opens many stores. */
const timeout = 90_000

export function archiveContract(name: string, { here, there }: ArchiveHarness): void {
  describe(`archive: ${name}`, { timeout }, () => {
    const opened: { close(): Promise<void> }[] = []
    afterEach(async () => {
      for (const one of opened.splice(0).reverse()) await one.close().catch(() => undefined)
    })
    async function using<Opened extends { close(): Promise<void> }, T>(
      open: Promise<Opened>,
      use: (one: Opened) => Promise<T>,
    ): Promise<T> {
      const one = await open
      opened.push(one)
      try {
        return await use(one)
      } finally {
        await one.close()
        opened.splice(opened.indexOf(one), 1)
      }
    }

    const filled = async (place: ArchivePlaceHarness, seed: number, steps = 80) => {
      await using(place.openStore(), (store) => fillAtRandom(store, seededRandom(seed), steps))
      return place
    }
    const textOf = (place: ArchivePlaceHarness): Promise<string> =>
      using(place.openArchive(), (archive) => exportText(archive))
    const put = (place: ArchivePlaceHarness, text: string | Buffer, isRepeatable = true) =>
      using(place.openArchive(), (archive) => importText(archive, text, isRepeatable))
    const picture = (place: ArchivePlaceHarness) => using(place.openStore(), pictureOf)

    it.each([1, 2, 3])('moves any store and brings it back (seed %i)', async (seed) => {
      const from = await filled(await there(), seed)
      const text = await textOf(from)
      const to = await here()
      await put(to, text)
      const moved = await textOf(to)
      expect(contentOf(moved)).toBe(contentOf(text))
      const back = await there()
      await put(back, moved)
      expect(contentOf(await textOf(back))).toBe(contentOf(text))
      const [{ otherStories, ...all }, { otherStories: otherStoriesFirst, ...first }] = [
        await picture(to),
        await picture(from),
      ]
      expect(all).toEqual(first)
      // The facts about clouds and submissions may be forgotten a little earlier than the facts in their order.
      expect(all.usage.length).toBeGreaterThan(0)
      for (const [subject, facts] of otherStoriesFirst) {
        if (facts.length > 0) expect(otherStories.get(subject)?.slice(-facts.length)).toEqual(facts)
      }
    })

    it('goes on where it was cut, however often', async () => {
      const text = await textOf(await filled(await there(), 7, 150))
      const to = await here()
      const random = seededRandom(8)
      let cuts = 0
      for (;;) {
        const isDone = await using(to.openArchive(), async (archive) => {
          const failing = cutShort(archive, Math.floor(random.next() * 3), random.next() < 0.5)
          const isRepeatable = random.next() < 0.5
          return importText(failing, text, isRepeatable, 1000).then(
            () => true,
            (error: unknown) => (error === wasCut ? false : Promise.reject(error)),
          )
        })
        if (isDone) break
        cuts += 1
        await expect(to.openStore()).rejects.toMatchObject({ code: 'store-failed' })
      }
      expect(cuts).toBeGreaterThan(2)
      expect(contentOf(await textOf(to))).toBe(contentOf(text))
    })

    it('refuses a damaged archive, and writes nothing of a file', async () => {
      const text = await textOf(await filled(await there(), 9, 30))
      const to = await here()
      const lines = text.split('\n')
      const random = seededRandom(10)
      const damages = [
        ...Array.from({ length: 20 }, () => withByteChanged(text, Math.floor(random.next() * text.length))),
        [...lines.slice(0, 5), ...lines.slice(6)].join('\n'),
        [...lines.slice(0, 5), lines[4], ...lines.slice(5)].join('\n'),
        lines.slice(0, -2).join('\n'),
        text.slice(0, text.length / 2),
        text.slice(0, -1),
        `${text}${lines[3]}\n`,
        '',
        'something else\n',
      ]
      await using(to.openArchive(), async (archive) => {
        for (const damage of damages) {
          await expect(importText(archive, damage, true)).rejects.toMatchObject({ code: 'invalid-argument' })
        }
      })
      expect(await using(to.openStore(), (store) => store.list({ limit: many }))).toEqual([])
    })

    it('keeps the store closed when a pipe brought a damaged archive, and does not take the rest of a right one', async () => {
      const text = await textOf(await filled(await there(), 11, 30))
      const to = await here()
      const at = Buffer.from(text).indexOf('"name":"plain"') + 9
      await expect(put(to, withByteChanged(text, at), false)).rejects.toMatchObject({ code: 'invalid-argument' })
      await expect(to.openStore()).rejects.toMatchObject({ code: 'store-failed' })
      await expect(textOf(to)).rejects.toMatchObject({ code: 'store-failed' })
      await expect(put(to, text)).rejects.toMatchObject({ code: 'conflict' })
      await expect(to.openStore()).rejects.toMatchObject({ code: 'store-failed' })
    })

    it('takes no archive into a store that has something, nor another one into one that is half full', async () => {
      const text = await textOf(await filled(await there(), 12, 20))
      const other = await textOf(await filled(await there(), 13, 20))
      const to = await here()
      await using(to.openStore(), (store) => store.keepNote('a', 'b'))
      await expect(put(to, text)).rejects.toMatchObject({ code: 'conflict' })
      const half = await here()
      const cut = using(half.openArchive(), (archive) => importText(cutShort(archive, 2, true), text, true))
      await expect(cut).rejects.toBe(wasCut)
      await expect(put(half, other)).rejects.toMatchObject({ code: 'conflict' })
      await put(half, text)
      await expect(put(half, text)).rejects.toMatchObject({ code: 'conflict' })
    })

    it('gives a store that works: jobs run, facts go on, counts follow, old things are forgotten', async () => {
      const from = await filled(await there(), 14)
      const text = await textOf(from)
      const to = await here()
      await put(to, text)
      const before = await picture(from)
      await using(to.openStore(), (store) => worksOn(store, before))
      // What happened since is in the next archive, behind what was there.
      const later = await textOf(to)
      expect(factsIn(later).slice(0, before.facts.length)).toEqual(before.facts)
      expect(factsIn(later).length).toBeGreaterThan(before.facts.length)
      await using(to.openStore(), forgetsAll)
    })

    it('reads an archive of a program that knew no images', async () => {
      const old = oldArchive
      const to = await here()
      await put(to, old)
      const { images, otherStories, facts } = await using(to.openStore(), pictureOf)
      expect(images).toEqual([])
      expect(facts).toHaveLength(1)
      expect([...otherStories.keys()]).toEqual(['cloud:here'])
      expect(await textOf(to)).toContain('"format":4')
      await expect(put(await here(), old.replace('"format":1', '"format":5'))).rejects.toMatchObject({ code: 'store-newer' })
      await expect(put(await here(), old.replace('"format":1', '"format":2'))).rejects.toMatchObject({
        code: 'invalid-argument',
      })
    })

    it('reads an archive of a program that recorded no usage', async () => {
      const from = await filled(await there(), 5, 40)
      const lines = (await textOf(from)).trimEnd().split('\n')
      const [header = '', ...records] = lines.slice(0, -1).filter((line) => !line.startsWith('{"section":"usage"'))
      const counts = { ...(JSON.parse(lines.at(-1) ?? '') as { counts: Partial<ArchiveCounts> }).counts }
      delete counts.usage
      const old = withDigests([header.replace('"format":4', '"format":3').replace(',"usage"]', ']'), ...records], counts)
      const to = await here()
      await put(to, old)
      const { accounted, usage, facts } = await picture(to)
      expect([accounted, usage]).toEqual([0, []])
      expect(facts.length).toBeGreaterThan(0)
    })

    it('reads jobs of a program that did not count the losses of machines', async () => {
      const from = await there()
      await using(from.openStore(), async (store) => {
        await store.submit(sampleSubmission([sampleSpec(), sampleSpec({ maxAttempts: 1 })]), 1000)
      })
      const to = await here()
      await put(to, asBeforeMachineLosses(await textOf(from)))
      await using(to.openStore(), async (store) => {
        const ids = [1, 2] as JobId[]
        const [jobs, specs] = [await store.jobs(ids), await store.specs(ids)]
        expect(jobs.map(({ machineLosses, maxMachineLosses }) => [machineLosses, maxMachineLosses])).toEqual([
          [0, 10],
          [0, 1],
        ])
        expect(ids.map((id) => specs.get(id)?.maxMachineLosses)).toEqual([10, 1])
      })
    })

    it('gives no number twice, though the last job is forgotten before the move', async () => {
      const from = await there()
      await using(from.openStore(), async (store) => {
        await store.submit(sampleSubmission([sampleSpec(), sampleSpec()]), 1000)
        await store.change([{ kind: 'kill', jobId: 2 as JobId, by: 'a', why: '' }], 1000)
        await store.change([{ kind: 'kill', jobId: 1 as JobId, by: 'a', why: '' }], 1000)
        await store.facts(-1, 1)
        await store.forget(2000, 10)
        expect(await store.list({ limit: many })).toEqual([])
      })
      const to = await here()
      await put(to, await textOf(from))
      await using(to.openStore(), async (store) => {
        const answer = await store.submit(sampleSubmission([sampleSpec()]), 3000)
        expect(answer).toMatchObject({ ok: true, firstId: 3 })
        expect((await store.facts(-1, 1))[0]).toMatchObject({ subject: 'submission:3' })
        expect((await store.facts(-1, 1))[0]?.seq).toBeGreaterThan(3)
      })
    })
  })
}

/** As the program before wrote it. */
/** The same content, as it was written before. */
function asBeforeMachineLosses(text: string): string {
  const [header = '', ...lines] = text
    .replaceAll(/,"(machineLosses|maxMachineLosses)":\d+/g, '')
    .trimEnd()
    .split('\n')
  const records = lines.slice(0, -1)
  const { counts } = JSON.parse(lines.at(-1) ?? '') as { counts: ArchiveCounts }
  const sum = runningDigest()
  sum.add(records.map((line) => `${line}\n`).join(''), records.length)
  const trailer = trailerLine(formatVersion, counts, digestOf(`${header}\n`), sum.place().digest)
  return `${[header, ...records, trailer].join('\n')}\n`
}

const oldArchive = withDigests([
  '{"pilotage":"archive","format":1,"id":"abcdefghijklmnop","store":"sqlite","schema":3,"at":"2026-11-20T00:00:00.000Z",' +
    '"sections":["queues","submissions","vms","jobs","facts","notes","counters"]}',
  '{"section":"facts","seq":1,"atMs":1000,"subject":"cloud:here","kind":"plan","data":{"n":1}}',
  '{"section":"counters","name":"facts","highest":1}',
  '{"section":"counters","name":"jobs","highest":0}',
])

function withDigests(
  [header = '', ...records]: readonly string[],
  counts: Partial<ArchiveCounts> = { queues: 0, submissions: 0, vms: 0, jobs: 0, facts: 1, notes: 0, counters: 2 },
): string {
  const sum = (text: string): string => createHash('sha256').update(text).digest('hex')
  const body = records.map((line) => `${line}\n`).join('')
  const end = { section: 'end', counts, header: sum(`${header}\n`), sha256: sum(body) }
  return `${header}\n${body}${JSON.stringify(end)}\n`
}

const wasCut = new Error('cut short')

/** Fails at the write after this number; that one may be in, its place is not. */
function cutShort(archive: Archive, writes: number, isIn: boolean): Archive {
  let [left, last] = [writes, { records: 0, digest: '' }]
  return {
    ...archive,
    async begin(header) {
      last = await archive.begin(header)
      return last
    },
    async write(batch, place) {
      if (left === 0 && isIn) await archive.write(batch, last)
      if (left === 0) throw wasCut
      left -= 1
      await archive.write(batch, place)
      last = place
    },
  }
}

/** In pieces that end anywhere. */
function importText(archive: Archive, text: string | Buffer, isRepeatable: boolean, pieceBytes = 10_000) {
  const bytes = Buffer.from(text)
  const pieces = function* () {
    for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
  }
  return importArchive({ archive, source: { open: () => Readable.from(pieces()), isRepeatable } })
}

async function exportText(archive: Archive): Promise<string> {
  const pieces: string[] = []
  const sink = new Writable({
    decodeStrings: false,
    write(piece, _encoding, done) {
      pieces.push(String(piece))
      done()
    },
  })
  await exportArchive({ archive, clock, random: seededRandom(clock.nowMs()) }, [sink])
  return pieces.join('')
}

/** All but the first line, and what the last line says of it. */
function contentOf(text: string): string {
  return text.slice(text.indexOf('\n') + 1).replace(/"header":"[0-9a-f]*"/, '')
}

function factsIn(text: string): readonly unknown[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{"section":"facts"'))
    .map((line) => {
      const { section: _section, ...fact } = JSON.parse(line) as Record<string, unknown>
      return fact
    })
}

function withByteChanged(text: string, at: number): Buffer {
  const bytes = Buffer.from(text)
  bytes[at] = bytes[at] === 0x41 ? 0x42 : 0x41
  return bytes
}

type Picture = Awaited<ReturnType<typeof pictureOf>>

/** Whatever can be asked, in an order of our own. */
async function pictureOf(store: Store) {
  const jobs = await store.list({ limit: many })
  const ids = jobs.map(({ id }) => id)
  const facts = await store.facts(0, many)
  const queues = (await store.queues()).toSorted((a, b) => (a.queue.id < b.queue.id ? -1 : 1))
  const live = (await store.liveVms()).toSorted((a, b) => (a.vm.id < b.vm.id ? -1 : 1))
  const ended = (await store.endedVms(many)).toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const vmIds = [...live.map(({ vm }) => vm.id), ...ended.map(({ id }) => id)]
  const own = [...ids.map((id) => `job:${id}` as const), ...vmIds.map((id) => `vm:${id}` as const)]
  const others = facts.map(({ subject }) => subject).filter((subject) => /^(?:cloud|image|submission):/.test(subject))
  const storyOf = async (subject: Subject) =>
    (await store.history(subject, 100)).map(({ kind, atMs, data }) => ({ kind, atMs, data }))
  return {
    jobs,
    facts,
    queues,
    live,
    ended,
    images: await store.images(),
    specs: await store.specs(ids),
    counts: (await store.counts()).map((count) => JSON.stringify(count, ['state', 'vo', 'site', 'count'])).toSorted(),
    next: await Promise.all(
      queues.map(async ({ queue }) =>
        (await store.next(queue.id as ClassId, many)).map(({ id, priority }) => [id, priority]),
      ),
    ),
    expired: (await store.expired(many * 1000, many)).toSorted((a, b) => a.jobId - b.jobId),
    leases: await Promise.all(vmIds.map(async (id) => (await store.leasesOn(id)).map((job) => job.id))),
    dependants: await Promise.all(ids.map((id) => store.dependants(id, many))),
    awaitedEnds: (await store.awaitedEnds(many * 1000, many)).map(({ id }) => id).toSorted((a, b) => a - b),
    stories: await Promise.all(own.map(storyOf)),
    otherStories: new Map(
      await Promise.all([...new Set(others)].map(async (subject) => [subject, await storyOf(subject)] as const)),
    ),
    notes: await Promise.all(oddNames.map((name) => store.note(`note ${name}`))),
    accounted: await store.accountedSeq(),
    usage: await store.usage({ by: ['reason', 'owner'], fromDay: '0000', toDay: '9999', filter: {}, limit: many }),
    usageRecords: await store.usageRecords({ fromMs: 0, toMs: Infinity, limit: many }),
    meters: (await store.meters(vmIds)).toSorted((a, b) => (a.vmId < b.vmId ? -1 : 1)),
  }
}

/** Steps of a day on a store that came by an archive. */
async function worksOn(store: Store, before: Picture): Promise<void> {
  const nowMs = 900_000
  const repeated = await store.submit(sampleSubmission([sampleSpec()], alice, 'new'), nowMs)
  const newId = (repeated.ok ? repeated.firstId : 0) as JobId
  expect(newId).toBeGreaterThan(Math.max(...before.jobs.map(({ id }) => id)))
  const vm = activeVm('fresh', { intendedMs: nowMs })
  expect(await store.intend(vm, nowMs)).toBe(true)
  const waiting = before.jobs.filter(({ phase }) => phase.state === 'Waiting').slice(0, 5)
  expect(waiting.length).toBeGreaterThan(0)
  const ids = [...waiting.map(({ id }) => id), newId]
  const claims = await store.change(
    ids.map((jobId) => ({ kind: 'claim', jobId, vmId: vm.id, cores: 1, untilMs: nowMs + 1000 }) as const),
    nowMs,
  )
  expect(claims.map(({ ok }) => ok)).toEqual(ids.map(() => true))
  expect(claims.map((claim) => claim.ok && claim.spec)).toEqual([
    ...waiting.map(({ id }) => before.specs.get(id)),
    sampleSpec(),
  ])
  expect(await store.vm(vm.id)).toMatchObject({ leases: ids.length })
  await store.change(
    claims.flatMap((claim) => (claim.ok ? [endOf(claim.job, vm.id)] : [])),
    nowMs + 1,
  )
  const facts = await store.facts(0, many)
  expect(facts.slice(0, before.facts.length)).toEqual(before.facts)
  const fresh = facts.slice(before.facts.length)
  expect(fresh.map(({ kind }) => kind).toSorted()).toEqual(
    ['Submitted', 'Active', ...ids.map(() => 'Matched'), ...ids.map(() => 'Done')].toSorted(),
  )
  const [one] = waiting as [Job]
  const old = before.facts.filter(({ subject }) => subject === `job:${one.id}`).map(({ kind }) => kind)
  const story = (await store.history(`job:${one.id}`, 100)).map(({ kind }) => kind)
  expect(story.slice(-2 - old.length)).toEqual([...old, 'Matched', 'Done'])
  expect((await store.history(`job:${one.id}`, 1)).map(({ kind }) => kind)).toEqual(['Done'])
  const done = (await store.counts()).filter(({ state }) => state === 'Done').reduce((sum, { count }) => sum + count, 0)
  const wasDone = before.jobs.filter(({ phase }) => phase.state === 'Done').length
  expect(done).toBe(wasDone + ids.length)
}

async function forgetsAll(store: Store): Promise<void> {
  const nowMs = 900_000
  const all = await store.list({ states: ['Done', 'Failed', 'Killed'], limit: many })
  // Others still wait for the ends of some.
  const kept = all.filter(({ awaited }) => awaited !== undefined).map(({ id }) => id)
  const ended = all.map(({ id }) => id).filter((id) => !kept.includes(id))
  expect(kept.length).toBeGreaterThan(0)
  const forgotten: JobId[] = []
  for (let some = await store.forget(nowMs + 2, many); some.length > 0; some = await store.forget(nowMs + 2, many)) {
    forgotten.push(...some)
  }
  expect(forgotten.toSorted((a, b) => a - b)).toEqual(ended.toSorted((a, b) => a - b))
  const left = await store.list({ states: ['Done', 'Failed', 'Killed'], limit: many })
  expect(left.map(({ id }) => id)).toEqual(kept)
}

function endOf({ id, attempt }: Job, vmId: VmId) {
  return { kind: 'ended', jobId: id, attempt, vmId, result: sampleResult() } as const
}
