import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { accountsIsolation } from '../../../agents/pilot/isolation/accounts-isolation.ts'
import { openAccounts, processesOf } from '../../../agents/pilot/isolation/accounts.ts'
import { runScript } from '../../../agents/pilot/isolation/as-account.ts'
import { chooseIsolation } from '../../../agents/pilot/isolation/choose.ts'
import type { Isolation } from '../../../agents/pilot/isolation/isolation.ts'
import { readMeasures } from '../../../agents/pilot/isolation/measure.ts'
import { foldersInTmp, mountsFor } from '../../../agents/pilot/isolation/view.ts'
import { startPayload } from '../../../agents/pilot/payload.ts'
import { startWatch } from '../../../agents/pilot/watch.ts'
import { systemClock } from '../../../core/kernel/clock.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import { isolationKinds, workPlace } from './isolation-kinds.ts'
import { shell, type TaskWish } from './tasks.ts'

const clock = systemClock()
const isRoot = process.getuid?.() === 0
const root = workPlace()
const uid = 61_600
afterAll(() => rmSync(root, { recursive: true, force: true }))

const watch = startWatch(clock, process.pid)
let count = 0

async function run(isolation: Isolation, script: string, wish: TaskWish = {}) {
  count += 1
  const key = `${count}.1`
  const dir = join(root, key)
  const task = shell(script, wish)
  const confinement = isolation.confine(key, dir, task.spec.requirements.memoryBytes)
  if (!confinement) throw new Error('no account is free')
  const payload = startPayload({ vmId: 'vm-payloads00' as VmId, task, dir, clock, watch, confinement })
  const result = await payload.done
  return { ...result, dir, confinement, stdout: readFileSync(join(dir, 'stdout'), 'utf8') }
}

/** Each link starts the next and ends: no look at the processes finds the one that lives. */
const chain = `perl -e 'while (1) { my $child = fork; defined $child or next; exit 0 if $child; select(undef, undef, undef, 0.001) }'`

const kinds = await isolationKinds([], uid + 100)

describe.each(kinds.filter(({ name }) => !name.startsWith('plain')).map((kind) => [kind.name, kind] as const))(
  'under %s',
  (_, { isolation, why }) => {
    describe.skipIf(why !== '')(why === '' ? 'a payload' : `a payload (not run: ${why})`, () => {
      it('has no power, and no way to get one', async () => {
        const ran = await run(isolation, 'grep -E "^(Cap(Prm|Eff|Amb)|NoNewPrivs)" /proc/self/status')
        const status = new Map(
          ran.stdout
            .trim()
            .split('\n')
            .map((line) => line.split(/:\s*/) as [string, string]),
        )
        for (const set of ['CapPrm', 'CapEff', 'CapAmb']) expect(status.get(set)).toMatch(/^0+$/)
        expect(status.get('NoNewPrivs')).toBe('1')
        await ran.confinement.remove()
      })

      it('reads nothing of ours, and writes only where it should', async () => {
        const secret = join(root, 'secret')
        writeFileSync(secret, 'the credential', { mode: 0o600 })
        const script = `touch made "$TMPDIR/made" /tmp/made; cat ${secret}; ls ${root}; touch ../more; cat /proc/${process.pid}/environ; echo over`
        const ran = await run(isolation, script)
        // In a view of its own it finds the way to its own folders, and nothing beside it.
        const [last, ...seen] = ran.stdout.trim().split('\n').reverse()
        expect([ran.end, ran.exitCode, last]).toEqual(['exited', 0, 'over'])
        expect([[], [basename(ran.dir)]]).toContainEqual(seen)
        expect(existsSync(join(ran.dir, 'home', 'made'))).toBe(true)
        expect(existsSync(join(ran.dir, 'more'))).toBe(false)
        await ran.confinement.remove()
        expect(existsSync(ran.dir)).toBe(false)
      })

      it('ends with everything that it started, also where each process starts the next and ends', async () => {
        const ran = await run(isolation, `${chain} & setsid ${chain} & sleep 0.3; pgrep -c perl; exit 4`)
        expect(ran).toMatchObject({ end: 'exited', exitCode: 4 })
        expect(ran.detail).not.toContain('would not end')
        const { account } = ran.confinement
        if (account !== undefined) expect(processesOf(account)).toBe(0)
        const marked = await runScript(
          undefined,
          'grep -lzs "PILOTAGE_DIR=$1" /proc/[0-9]*/environ || true',
          [ran.dir],
          10_000,
        )
        expect(marked.stdout).toBe('')
        await ran.confinement.remove()
        expect(isolation.retired()).toEqual([])
      })

      it.each([
        'LD_PRELOAD',
        'BASH_ENV',
        'ENV',
        'SHELLOPTS',
        'PS4',
        'PERL5OPT',
        'PERL5LIB',
        'PYTHONSTARTUP',
        'NODE_OPTIONS',
        'PATH',
      ])('has its %s obeyed by no step before it', async (name) => {
        const value = name === 'PERL5OPT' ? '-MNo::Such' : name === 'PATH' ? '/no/such:/bin' : '/no/such/thing'
        const ran = await run(isolation, '/usr/bin/env', { environment: { [name]: value } })
        expect(ran).toMatchObject({ end: 'exited', exitCode: 0 })
        expect(ran.stdout).toContain(`${name}=${value}\n`)
        await ran.confinement.remove()
      })

      it('is ended where it makes more files and folders than one may', async () => {
        const ran = await run(isolation, 'for one in $(seq 100); do mkdir d$one; done; sleep 20', { diskBytes: 1 })
        expect(ran).toMatchObject({ end: 'disk-limit' })
        await ran.confinement.remove()
      })

      it('has memory of its own counted that no process holds', async () => {
        const script = 'head -c 50000000 /dev/zero >/dev/shm/big; sleep 20'
        const ran = await run(isolation, script, { memoryBytes: 40_000_000 })
        // A limit of the file system or a kill: both keep it within what it asked for.
        if (ran.end === 'memory-limit') expect(ran.detail).toContain('used')
        else expect(ran.dir).toBe('no limit was found')
        await ran.confinement.remove()
      }, 40_000)

      it('has files counted that no folder names any more', async () => {
        const script = 'exec 7>gone; rm gone; head -c 30000000 /dev/zero >&7; sleep 20'
        const ran = await run(isolation, script, { diskBytes: 10_000_000 })
        expect(ran).toMatchObject({ end: 'disk-limit' })
        await ran.confinement.remove()
      })
    })
  },
)

it('gives each account to one payload at a time', async () => {
  const accounts = openAccounts({ firstUid: uid, count: 2 }, [])
  expect([accounts.take('1.1'), accounts.take('2.1'), accounts.take('3.1')]).toEqual([uid, uid + 1, undefined])
  await accounts.release('2.1', '')
  await accounts.release('2.1', '')
  expect([accounts.take('3.1'), accounts.take('4.1')]).toEqual(isRoot ? [uid + 1, undefined] : [undefined, undefined])
})

describe.skipIf(!isRoot)('accounts (not run unless as root)', () => {
  it('leave nothing in places that every account may write to', async () => {
    const shared = mkdtempSync(join(tmpdir(), 'pilotage-shared-'))
    chmodSync(shared, 0o1777)
    const accounts = openAccounts({ firstUid: uid + 10, count: 1 }, [shared])
    const mine = accounts.take('1.1') ?? 0
    const script =
      'cd "$1"; mkdir mine; touch mine/file also; ln -s / link; chmod 000 mine; ipcmk -M 4096 -p 0600; ipcmk -S 1; ipcmk -Q'
    expect((await runScript(mine, script, [shared], 10_000)).isGood).toBe(true)
    writeFileSync(join(shared, 'ours'), '')
    await accounts.release('1.1', '')
    expect(statSync(join(shared, 'ours')).isFile()).toBe(true)
    for (const name of ['mine', 'also', 'link']) expect(existsSync(join(shared, name))).toBe(false)
    const kept = await runScript(undefined, 'cat /proc/sysvipc/shm /proc/sysvipc/sem /proc/sysvipc/msg', [], 10_000)
    expect(kept.stdout).not.toMatch(new RegExp(`\\b${mine}\\b`))
    expect([accounts.retired(), accounts.take('2.1')]).toEqual([[], mine])
    rmSync(shared, { recursive: true })
  })

  it('with anything left are retired, and never given again', async () => {
    const shared = mkdtempSync(join(tmpdir(), 'pilotage-shared-'))
    const accounts = openAccounts({ firstUid: uid + 20, count: 1 }, [shared])
    const mine = accounts.take('1.1') ?? 0
    // A folder of another account: what lies in it cannot be removed by its owner.
    chmodSync(shared, 0o777)
    expect((await runScript(mine, 'mkdir "$1/deep"; touch "$1/deep/file"', [shared], 10_000)).isGood).toBe(true)
    chmodSync(shared, 0o755)
    await accounts.release('1.1', '')
    expect(accounts.retired()).toEqual([`account ${mine}: left behind: ${join(shared, 'deep')}`])
    expect([accounts.take('2.1'), accounts.left()]).toEqual([undefined, 0])
    rmSync(shared, { recursive: true })
  })

  it('cannot meet in a directory of a payload, whatever modes they set', async () => {
    const isolation = accountsIsolation({ firstUid: uid + 30, count: 2 })
    const ran = await run(isolation, 'chmod 777 . ../tmp')
    const other = await runScript(uid + 31, 'ls "$1/home" || touch "$1/home/x"', [ran.dir], 10_000)
    expect(other.isGood).toBe(false)
    await ran.confinement.remove()
  })

  it('are wanted only where nothing better works, and plain never replaces them', async () => {
    const base = { workDir: join(root, 'trial'), binds: [], hidden: [], accounts: { firstUid: uid + 40, count: 1 } }
    mkdirSync(base.workDir, { mode: 0o711 })
    expect((await chooseIsolation({ ...base, choice: 'accounts' })).isolation.kind).toBe('accounts')
    expect((await chooseIsolation({ ...base, choice: 'plain' })).isolation.kind).toBe('plain')
    expect((await chooseIsolation({ ...base, choice: 'auto' })).isolation.kind).not.toBe('plain')
    await expect(chooseIsolation({ ...base, accounts: undefined, choice: 'accounts' })).rejects.toThrow(/Install bubblewrap/)
  })
})

it('the view names what is there: nothing of the service, and the payload’s folders where they are', () => {
  const dir = join(root, '1.1')
  const mounts = mountsFor({ dir, memoryBytes: 1, binds: ['/no/such/folder'], hidden: ['/usr/share', '/no/such/thing'] })
  const to = mounts.map((mount) => mount.to)
  expect(to).not.toContain('/no/such/folder')
  for (const path of ['/root', '/home', '/var/lib', '/proc', '/mnt']) expect(to).not.toContain(path)
  const writable = mounts.filter(({ kind }) => kind === 'writable').map((mount) => mount.to)
  expect(writable).toEqual(['/tmp', '/var/tmp', join(dir, 'home'), join(dir, 'tmp')])
  expect(mounts.filter((mount) => mount.to === '/usr/share').map(({ kind }) => kind)).toEqual(['memory', 'closed'])
  expect(mounts.at(-1)).toEqual({ kind: 'closed', to: '/' })
  expect(foldersInTmp('/tmp/a/b')).toEqual(['a', 'a/b', 'a/b/home', 'a/b/tmp'])
  expect(foldersInTmp('/var/lib/pilotage/work/1.1')).toEqual([])
})

it('measures are read as they are printed, and a file that several processes hold counts once', () => {
  const text =
    'disk 4096\ndisk 8192\nentries 2\nentries 3\nown 2049\nopen 2049 7 8\nopen 2049 7 8\nopen 1 9 16\nshm 5\nuse 100 90 4096\nopen 5 1 80\nclosed\n'
  expect(readMeasures(text)).toEqual({
    diskBytes: 4096 + 8192 + 8 * 512,
    entries: 5,
    memoryBytes: 16 * 512 + 10 * 4096,
    isClosed: true,
  })
})
