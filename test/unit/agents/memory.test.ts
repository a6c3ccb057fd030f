import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { memoryOf, type Share, sharesOf } from '../../../agents/pilot/memory.ts'
import type { ProcessStat } from '../../../agents/pilot/processes.ts'

const isRoot = process.getuid?.() === 0
const stat = { ppid: 1, group: 1, session: 1, startTicks: 1, cpuTicks: 0, waitedTicks: 0, over: false }
const processes: readonly ProcessStat[] = [1, 2, 3].map((pid) => ({ ...stat, pid, rssBytes: 1000 }))
const share = (bytes: number, ofFilesBytes = 0): Share => ({ bytes, ofFilesBytes })
const own = (pid: number): number => pid * 100

it.each([
  ['all are shown', [share(400), share(300), share(200)], 0, 900],
  ['files in memory are mapped in part', [share(400, 100), share(300), share(200)], 250, 900 - 100 + 250],
  ['files in memory are mapped wholly', [share(400, 300), share(300), share(200)], 250, 900],
  ['one is hidden, and small', [share(400), share(300)], 0, 700],
  ['all are hidden: the largest alone counts', [], 0, 300],
  ['all are hidden, and files in memory are more', [], 500, 500],
] as const)('%s', (_, shown, unmappedBytes, expected) => {
  const shares = new Map(shown.map((one, at) => [at + 1, one]))
  expect(memoryOf(processes, shares, unmappedBytes, own)).toBe(expected)
})

it('finds nothing of a process that is over', async () => {
  const shares = await sharesOf([2 ** 22 + 1], undefined)
  expect([shares.of.size, memoryOf([{ ...stat, pid: 2 ** 22 + 1, rssBytes: 1000 }], shares.of, 0)]).toEqual([0, 0])
})

/** A pilot that is not root has the power to become its payloads' accounts, and none to look into their processes. */
const powers = '-sys_ptrace,-perfmon,-sys_admin'
const withoutPowers = ['/usr/bin/setpriv', `--bounding-set=${powers}`, `--inh-caps=${powers}`, '--']

describe.skipIf(!isRoot)('a pilot that may not look into its payloads (not run unless as root)', () => {
  it('counts what they share once, and ends what takes too much', { timeout: 60_000 }, () => {
    const root = mkdtempSync(join(tmpdir(), 'pilotage-memory-'))
    chmodSync(root, 0o711)
    const at = (path: string): string => JSON.stringify(join(import.meta.dirname, '../../..', path))
    const program = `
      import { readFileSync } from 'node:fs'
      import { accountsIsolation } from ${at('agents/pilot/isolation/accounts-isolation.ts')}
      import { startPayload } from ${at('agents/pilot/payload.ts')}
      import { startWatch } from ${at('agents/pilot/watch.ts')}
      import { systemClock } from ${at('core/kernel/clock.ts')}
      import { shell } from ${at('test/unit/agents/tasks.ts')}
      const clock = systemClock()
      const watch = startWatch(clock, process.pid)
      const isolation = accountsIsolation({ firstUid: 61_950, count: 4 })
      const scripts = [
        'my $n = 100 * 2**20; my $x = "a" x $n; for (1..4) { fork or last } sleep 3',
        'my $n = 100 * 2**20; for (1..4) { fork or last } my $x = "a" x $n; sleep 20',
        // Its largest process hides from its own account (PR_SET_DUMPABLE), and has more than it may have.
        'my $n = 400 * 2**20; syscall(${process.arch === 'x64' ? 157 : 167}, 4, 0); my $x = "a" x $n; sleep 20',
        // Whatever reads for the pilot under its account is ended as soon as it is there.
        'my $n = 100 * 2**20; my $own = $$; if (fork) { for (1..3) { fork or last } my $x = "a" x $n; sleep 20 } else { my $end = time + 20; while (time < $end) { for (glob("/proc/[0-9]*")) { my ($p) = /([0-9]+)$/; my $c = readlink("$_/exe") // ""; kill 9, $p if $c =~ /sh$|cat$/ && $p != $own && $p != getppid } } }',
      ]
      const results = await Promise.all(scripts.map(async (script, at) => {
        const dir = ${JSON.stringify(root)} + '/' + at + '.1'
        const confinement = isolation.confine(at + '.1', dir, 0)
        const task = shell("exec perl -e '" + script + "'", { memoryBytes: 300 * 2 ** 20, wallMs: 30_000 })
        const result = await startPayload({ vmId: 'vm-payloads00', task, dir, clock, watch, confinement }).done
        await confinement.remove()
        return [result.end, result.peakMemoryBytes > 90 * 2 ** 20]
      }))
      let isClosed = false
      try { readFileSync('/proc/1/smaps_rollup') } catch { isClosed = true }
      console.log(JSON.stringify([isClosed, ...results]))
      process.exit(0)`
    const [file = '', ...args] = [...withoutPowers, process.execPath, '--input-type=module', '-e', program]
    const ran = spawnSync(file, args, { encoding: 'utf8', timeout: 50_000 })
    rmSync(root, { recursive: true, force: true })
    expect(ran.stderr).toBe('')
    expect(JSON.parse(ran.stdout)).toEqual([
      true,
      ['exited', true],
      ['memory-limit', true],
      ['memory-limit', true],
      // Whatever is measured first.
      [expect.stringMatching(/^(?:memory|disk)-limit$/), expect.any(Boolean)],
    ])
  })
})
