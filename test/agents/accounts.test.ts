import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Account, openAccounts } from '../../agents/pilot/accounts.ts'
import { startPayload } from '../../agents/pilot/payload.ts'
import { processScanner } from '../../agents/pilot/processes.ts'
import { startWatch } from '../../agents/pilot/watch.ts'
import { systemClock, until } from '../../core/clock.ts'
import type { VmId } from '../../core/ids.ts'
import { shell } from './tasks.ts'

const clock = systemClock()
const firstUid = 61_500
const isRoot = process.getuid?.() === 0
let root: string

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'pilotage-accounts-'))
  // Payloads pass through it.
  chmodSync(root, 0o711)
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

async function run(name: string, account: Account | undefined, script: string) {
  const dir = join(root, name)
  const watch = startWatch(clock, process.pid)
  const payload = startPayload({ vmId: 'vm-payloads00' as VmId, task: shell(script), dir, clock, watch, account })
  const result = await payload.done
  return { ...result, dir, stdout: readFileSync(join(dir, 'stdout'), 'utf8') }
}

it('gives each account to one payload at a time', () => {
  const accounts = openAccounts({ firstUid, count: 2 }, [])
  expect([accounts.take('1.1')?.uid, accounts.take('2.1')?.uid, accounts.take('3.1')]).toEqual([
    firstUid,
    firstUid + 1,
    undefined,
  ])
  accounts.release('2.1')
  accounts.release('2.1')
  expect([accounts.take('3.1')?.uid, accounts.take('4.1')]).toEqual([firstUid + 1, undefined])
})

describe.skipIf(!isRoot)('a payload under an account of its own (not run unless as root)', () => {
  const taken = () => openAccounts({ firstUid, count: 1 }, []).take('1.1')

  it('has its account, its group, no other, and no power to get one', async () => {
    const ran = await run('who', taken(), 'id -u; id -G; grep -E "^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs)" /proc/self/status')
    const [uid, groups, ...rest] = ran.stdout.trim().split('\n')
    expect([uid, groups]).toEqual([String(firstUid), String(firstUid)])
    const status = new Map(rest.map((line) => line.split(/:\s*/) as [string, string]))
    for (const set of ['CapPrm', 'CapEff', 'CapAmb']) expect(status.get(set)).toMatch(/^0+$/)
    expect(status.get('NoNewPrivs')).toBe('1')
  })

  it('writes where it should, and reads nothing of ours', async () => {
    const secret = join(root, 'secret')
    writeFileSync(secret, 'the credential', { mode: 0o600 })
    const script = `touch made && touch "$TMPDIR/made"; cat ${secret}; ls ${root}; ls ..; touch ../stdout2; cat /proc/${process.pid}/environ; echo over`
    const ran = await run('reads', taken(), script)
    expect(ran).toMatchObject({ end: 'exited', exitCode: 0, stdout: 'over\n' })
    expect(statSync(join(ran.dir, 'home', 'made')).uid).toBe(firstUid)
  })

  it('leaves no process behind that hid every other trace', async () => {
    const hidden = 'cd / && exec env -i setsid sh -c "exec >/dev/null 2>&1 </dev/null; sleep 300 & wait"'
    const ran = await run('hides', taken(), `(${hidden}) & sleep 0.3; exit 0`)
    expect(ran.end).toBe('exited')
    const wanted = { leader: -1, dir: '/nowhere', pipes: [], uid: firstUid, seen: new Map<number, number>() }
    const left = () => processScanner(process.pid).scan([wanted]).get(wanted) ?? []
    expect(await until(clock, () => left().length === 0, { withinMs: 5000, everyMs: 20 })).toBe(true)
    expect(ran.detail).toMatch(/left \d+ processes behind/)
  })

  it('is told as a shell tells it where it cannot be started', async () => {
    const ran = await run('none', taken(), 'exec /no/such/thing')
    expect(ran).toMatchObject({ end: 'exited', exitCode: 127 })
  })

  it('leaves nothing in places that everybody may write to', async () => {
    const shared = mkdtempSync(join(tmpdir(), 'pilotage-shared-'))
    chmodSync(shared, 0o1777)
    const accounts = openAccounts({ firstUid, count: 1 }, [shared])
    await run('litters', accounts.take('1.1'), `mkdir ${shared}/mine && touch ${shared}/mine/file ${shared}/also`)
    writeFileSync(join(shared, 'ours'), '')
    accounts.release('1.1')
    expect(statSync(join(shared, 'ours')).isFile()).toBe(true)
    expect(() => statSync(join(shared, 'mine'))).toThrow()
    expect(() => statSync(join(shared, 'also'))).toThrow()
    rmSync(shared, { recursive: true })
  })
})
