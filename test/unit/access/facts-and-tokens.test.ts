/** Which facts a caller hears, how far they are looked for, and which tokens are issued. */

import { describe, expect, it } from 'vitest'
import type { Caller } from '../../../core/access/caller.ts'
import { page, tokenMaxMs, tokenMs } from '../../../core/kernel/limits.ts'
import type { JobId, VmId } from '../../../core/kernel/ids.ts'
import type { Fact } from '../../../core/model/fact-shapes.ts'
import type { Identity } from '../../../core/model/owner.ts'
import type { Job } from '../../../core/model/job.ts'
import { noResources } from '../../../core/model/resources.ts'
import { createToken } from '../../../services/access/create-token.ts'
import { hearing } from '../../../services/access/hearing.ts'
import { readFacts } from '../../../services/access/read-facts.ts'
import { alice, bob, sampleVm } from '../../../sim/samples.ts'
import { virtualClock } from '../../support/virtual-clock.ts'

const user: Caller = { owner: alice, reach: 'vo' }
const operator: Caller = { owner: alice, reach: 'any' }
const factOf = (subject: string, kind = 'Done', data = {}): Fact =>
  ({ seq: 1, atMs: 2, subject, kind, data }) as unknown as Fact

function world() {
  const asked: string[] = []
  const vms = new Map([
    ['vm-aaaaaaaaaa', [alice.vo]],
    ['vm-bbbbbbbbbb', [bob.vo]],
    ['vm-cccccccccc', []],
  ])
  const store = {
    jobs: async (ids: readonly JobId[]) => {
      asked.push(`jobs ${ids.join()}`)
      return ids.filter((id) => id < 100).map((id) => ({ ...(id % 2 === 1 ? alice : bob), id }) as unknown as Job)
    },
    vm: async (id: VmId) => {
      asked.push(id)
      const vos = vms.get(id)
      return vos && { vm: sampleVm(id, { vos }), leases: 0, used: noResources }
    },
  }
  return { asked, hearing: hearing(store) }
}

describe('a user hears', () => {
  it.each<[string, boolean, string?, object?]>([
    ['job:1', true],
    ['job:2', false],
    ['job:101', false],
    ['job:0', false],
    ['job:x', false],
    ['vm:vm-aaaaaaaaaa', true],
    ['vm:vm-bbbbbbbbbb', false],
    ['vm:vm-cccccccccc', true],
    ['vm:vm-zzzzzzzzzz', false],
    ['submission:9', true, 'Submitted', { vo: alice.vo }],
    ['submission:9', false, 'Submitted', { vo: bob.vo }],
    ['share:v', true, 'Weight set', { vo: alice.vo }],
    ['share:v', false, 'Weight set', { vo: bob.vo }],
    ['cloud:here', true, 'breaker'],
    ['cloud:here', false, 'plan'],
    ['image:plain', true],
    ['other:1', false],
  ])('of %s: %s', async (subject, isHeard, kind = 'Done', data = {}) => {
    const fact = factOf(subject, kind, data)
    const { hearing: here } = world()
    expect(await here.heard(user, [fact])).toEqual(isHeard ? [fact] : [])
    expect(await here.heard(operator, [fact])).toEqual([fact])
  })

  it('what belongs to the VO, with each job and VM read once', async () => {
    const { asked, hearing: here } = world()
    const facts = ['job:1', 'job:3', 'job:1', 'vm:vm-aaaaaaaaaa', 'vm:vm-aaaaaaaaaa'].map((subject) => factOf(subject))
    expect((await here.heard(user, facts)).length).toBe(5)
    expect((await here.heard(user, facts)).length).toBe(5)
    expect(asked).toEqual(['vm-aaaaaaaaaa', 'jobs 1,3'])
  })

  it('and an operator everything, without a read', async () => {
    const { asked, hearing: here } = world()
    await here.heard(operator, [factOf('job:1')])
    expect(asked).toEqual([])
  })
})

describe('facts', () => {
  const facts = Array.from({ length: 30 }, (_, at): Fact => ({ ...factOf(`job:${at + 1}`), seq: at + 1 }))
  const limits: (readonly [number, number])[] = []
  const store = {
    facts: async (after: number, limit: number) => {
      limits.push([after, limit])
      return after < 0 ? facts.slice(-limit) : facts.slice(after, after + limit)
    },
  }
  const read = async (caller: Caller, after: number, limit: number): Promise<readonly (number | undefined)[]> => {
    const found = await readFacts({ store, hearing: world().hearing }, caller, after, limit)
    return [...found.facts.map(({ seq }) => seq), undefined, found.lastSeq]
  }

  it('are read on from where the caller was, those of others passed over', async () => {
    expect(await read(operator, 4, 3)).toEqual([5, 6, 7, undefined, 7])
    expect(await read(user, 4, 4)).toEqual([5, 7, undefined, 8])
    expect(await read(user, 30, 4)).toEqual([undefined, 30])
  })

  it('are the latest that the caller hears, looked for among ten times as many, up to a page', async () => {
    limits.length = 0
    expect(await read(operator, -1, 2)).toEqual([29, 30, undefined, 30])
    expect(await read(user, -1, 2)).toEqual([27, 29, undefined, 30])
    await read(user, -1, 500)
    expect(limits).toEqual([
      [-1, 2],
      [-1, 20],
      [-1, page.max],
    ])
  })

  it('go on from the beginning where there is none', async () => {
    const none = { facts: async () => [] }
    expect(await readFacts({ store: none, hearing: world().hearing }, user, -1, 2)).toEqual({ facts: [], lastSeq: 0 })
  })
})

describe('a token', () => {
  const asked = { subject: 'vera', vo: 'astro', group: 'sky', roles: [], lifetimeMs: 0 }

  async function create(changes: object): Promise<unknown> {
    const issued: (readonly [Identity, number])[] = []
    const tokens = {
      issue: async (identity: Identity, expiresMs: number) => {
        issued.push([identity, expiresMs])
        return 'the token'
      },
    }
    const made = await createToken({ tokens, clock: virtualClock(1000) }, { ...asked, ...changes })
    expect(made).toEqual({ token: 'the token', expiresMs: issued[0]?.[1] })
    return issued[0]
  }

  it('is for a user and a day where nothing else is asked for', async () => {
    const owner = { vo: 'astro', group: 'sky', owner: 'vera' }
    expect(await create({})).toEqual([{ kind: 'user', owner, roles: ['user'] }, 1000 + tokenMs])
    const other = { roles: ['operator'], lifetimeMs: 5000 }
    expect(await create(other)).toEqual([{ kind: 'user', owner, roles: ['operator'] }, 6000])
    expect(await create({ lifetimeMs: tokenMaxMs })).toMatchObject({ 1: 1000 + tokenMaxMs })
  })

  it.each<[object, readonly string[]]>([
    [{ subject: '' }, ['subject']],
    [{ vo: 'a b' }, ['vo']],
    [{ group: 'ü' }, ['group']],
    [{ roles: ['user', 'king'] }, ['roles[1]']],
    [{ lifetimeMs: tokenMaxMs + 1 }, ['lifetime']],
    [{ subject: '', vo: '', roles: ['king'] }, ['subject', 'vo', 'roles[0]']],
  ])('is refused with each field that is wrong: %j', async (changes, paths) => {
    const violations = paths.map((path) => expect.objectContaining({ path }))
    await expect(create(changes)).rejects.toMatchObject({ code: 'invalid-argument', violations })
  })
})
