import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../core/kernel/random.ts'
import { canariesIn, canaryPattern, derivedCanary, newCanary } from './canaries.ts'
import type { Expectation } from './expected.ts'
import { judge, type Seen } from './judge.ts'
import { report, shownEvidence } from './report.ts'
import { slowed } from './scripts.ts'
import { perl, sh } from './attack.ts'
import { everyAttack } from './attacks/every.ts'
import { expectations } from './expected.ts'
import { batchesOf, batchPayload, canShare, partOf } from '../e2e/vm-batch.ts'

const random = seededRandom(1)
const own = newCanary('own', random)
const secret = newCanary('credential', random)
const calm: Seen = {
  text: `${own} and nothing else`,
  ownCanary: own,
  payloadUids: [],
  pilotNamespace: undefined,
  left: [],
  isHeard: false,
  next: '',
  isNextAlone: true,
  marker: 'mark-x',
  deaths: [],
  rootFilesBefore: 'a 1\nb 2',
  rootFilesAfter: 'a 1\nb 2',
}
const whats = (change: Partial<Seen>): readonly string[] => judge({ ...calm, ...change }).map(({ what }) => what)

describe('the judge of an attack', () => {
  it('sees nothing where nothing was reached', () => {
    expect(whats({})).toEqual([])
  })

  it('sees a secret in a text, wherever it stands, and not the attack’s own', () => {
    expect(whats({ text: `x${secret}y ${own}` })).toEqual(['credential'])
    expect(whats({ text: newCanary('own', random) })).toEqual(['own'])
  })

  it('sees code that ran as another account or with powers, where payloads have accounts', () => {
    const asPayload = 'RAN uid=1001 caps=0000000000000000 pidns=pid:[1]'
    const asPilot = 'RAN uid=1000 caps=00000000000000eb pidns=pid:[1]'
    const withPower = 'RAN uid=1001 caps=0000000000000080 pidns=pid:[1]'
    expect(whats({ payloadUids: [1001], text: asPayload })).toEqual([])
    expect(whats({ payloadUids: [1001], text: asPilot })).toEqual(['code outside'])
    expect(whats({ payloadUids: [1001], text: withPower })).toEqual(['code outside'])
  })

  it('sees code outside of the namespaces, and lets a payload be anything inside of them', () => {
    const inside = 'RAN uid=0 caps=000001ffffffffff pidns=pid:[7]'
    expect(whats({ pilotNamespace: 'pid:[1]', text: inside })).toEqual([])
    expect(whats({ pilotNamespace: 'pid:[7]', text: inside })).toEqual(['code outside'])
  })

  it('sees what is left, by sight and by hearing', () => {
    expect(whats({ left: ['17 sleep'] })).toEqual(['left running'])
    expect(whats({ isHeard: true })).toEqual(['left running'])
  })

  it('sees litter: all of it where the next payload is alone, else what carries the marker', () => {
    const next = 'LITTER file /tmp/a\ncounted'
    expect(whats({ next })).toEqual(['litter'])
    expect(whats({ next, isNextAlone: false })).toEqual([])
    expect(whats({ next: 'LITTER file /tmp/mark-x', isNextAlone: false })).toEqual(['litter'])
  })

  it('sees agents and neighbours that ended, and files of root that changed', () => {
    expect(whats({ deaths: ['pilot'] })).toEqual(['pilot ended'])
    expect(whats({ rootFilesAfter: 'a 1' })).toEqual(['root-files'])
    expect(whats({ rootFilesAfter: 'a 1\nb 3' })).toEqual(['root-files'])
  })
})

describe('canaries', () => {
  it('are found by their pattern, which does not find itself', () => {
    expect(canariesIn(`${secret} ${canaryPattern}`)).toEqual(new Map([[secret, 'credential']]))
  })

  it('that are derived differ by their names and keep the form', () => {
    const derived = ['neighbour-home', 'neighbour-tmp'].map((name) => derivedCanary(secret, name))
    expect(new Set(derived).size).toBe(2)
    expect(derived.map((one) => [...canariesIn(one).values()])).toEqual([['neighbour-home'], ['neighbour-tmp']])
  })

  it('are not shown whole', () => {
    expect(canariesIn(shownEvidence(`found ${secret}`))).toEqual(new Map())
  })
})

describe('the report', () => {
  const expected: Readonly<Record<string, Expectation>> = {
    plain: { whats: { socket: 'by design' }, reach: ['works'], either: ['race'] },
  }
  const options = { seconds: 1, requiresAll: false, isPart: false }
  const all = ['works', 'race', 'held'] as const
  const run = (reached: readonly string[], more: Partial<typeof options> = {}, what = 'credential') => {
    const results = all.map((name) => ({ name, reaches: reached.includes(name) ? [{ what, evidence: secret }] : [] }))
    return report(new Map([['plain', results]]), { ...options, ...more }, expected)
  }

  it('is content where just that was reached that is expected', () => {
    expect(run(['works']).ok).toBe(true)
    expect(run(['works', 'race']).ok).toBe(true)
    expect(run(['works']).lines.at(-1)).toMatch(/^hostile: kinds=plain attacks=3 held=2 allowed=1 reached=0 .* result=ok$/)
  })

  it('names an attack that should not win, and one that no longer does', () => {
    expect(run(['works', 'held']).lines).toContain(`error: reached under plain: held: credential: ${shownEvidence(secret)}`)
    expect(run([]).lines.join('\n')).toMatch(/no longer reached under plain: works/)
    expect([run(['works', 'held']).ok, run([]).ok]).toEqual([false, false])
  })

  it('lets each attack reach what a kind does not protect', () => {
    expect(run(['works', 'held'], {}, 'socket').lines.join('\n')).toMatch(/no longer reached under plain: works/)
    expect(run(['held'], {}, 'socket').lines).toContain('let through by plain: held: socket')
  })

  it('fails for an attack that was not run only where all are required', () => {
    const tried = new Map([['other', [{ name: 'x', notRun: 'there is no gcc', reaches: [] }]]])
    expect(report(tried, options, expected).ok).toBe(true)
    expect(report(tried, { ...options, requiresAll: true }, expected).ok).toBe(false)
  })

  it('fails for a name in the list that is no attack, unless only some were asked for', () => {
    const tried = new Map([['plain', [{ name: 'race', reaches: [] }]]])
    expect(report(tried, options, expected).ok).toBe(false)
    expect(report(tried, { ...options, isPart: true }, expected).ok).toBe(true)
  })

  it('fails for an attack without meaning that was tried, and for one with a meaning that was not', () => {
    const absent: Readonly<Record<string, Expectation>> = {
      booted: { whats: {}, reach: [], either: [], absent: { x: 'it cannot be submitted' } },
    }
    const run = (...results: readonly { name: string; notRun?: string }[]) => {
      const tried = new Map([['booted', results.map((one) => ({ ...one, reaches: [] }))]])
      return report(tried, { ...options, requiresAll: true }, absent)
    }
    expect(run({ name: 'x', notRun: 'refused' }, { name: 'y' })).toMatchObject({ ok: true, tried: 1 })
    expect(run({ name: 'x' }, { name: 'y' }).wrong).toEqual([expect.stringContaining('x was tried under booted')])
    expect(run({ name: 'x', notRun: 'refused' }, { name: 'y', notRun: 'no time' }).ok).toBe(false)
    expect(run({ name: 'y' }).wrong).toEqual([expect.stringContaining('names x under booted, which is no attack')])
  })
})

describe('attacks on a booted machine', () => {
  it('have more time for all that they wait for', () => {
    const script = 'select undef, undef, undef, 0.2; my $end = time + 20; sleep 3; timeout 0.5 cat; time.sleep(0.4); alarm 0'
    expect(slowed(perl(script), 5)).toMatchObject({
      arguments: [
        '-e',
        'select undef, undef, undef, 1; my $end = time + 100; sleep 15; timeout 2.5 cat; time.sleep(2); alarm 0',
      ],
      wallMs: 75_000,
    })
  })

  it('share payloads where they do not end or spoil them, each with its part of the output', () => {
    const shared = everyAttack.filter(canShare)
    expect(batchesOf(shared).flat().toSorted(byName)).toEqual(shared.toSorted(byName))
    const payload = batchPayload([
      ['mark-a', sh('echo one; echo bad >&2')],
      ['mark-b', sh('exit 3')],
    ])
    const { stdout, stderr } = spawnSync(payload.executable, payload.arguments, { encoding: 'utf8' })
    const text = `${stdout}\n${stderr}`
    expect(partOf(text, 'mark-a')).toMatchObject({ isOver: true, text: expect.stringMatching(/one[\s\S]*bad/) })
    expect(partOf(text, 'mark-b')).toMatchObject({ isOver: true, text: expect.not.stringContaining('one') })
    expect(partOf(text, 'mark-c').isOver).toBe(false)
  })

  it('are named where they have no meaning there', () => {
    const names = everyAttack.map(({ name }) => name)
    expect(Object.keys(expectations.booted?.absent ?? {}).filter((name) => !names.includes(name))).toEqual([])
  })
})

function byName(one: { readonly name: string }, other: { readonly name: string }): number {
  return one.name.localeCompare(other.name)
}
