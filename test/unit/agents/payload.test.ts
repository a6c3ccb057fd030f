import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Task } from '../../../agents/pilot/held.ts'
import { startPayload } from '../../../agents/pilot/payload.ts'
import { type ProcessStat, processScanner, readStat } from '../../../agents/pilot/processes.ts'
import { startWatch } from '../../../agents/pilot/watch.ts'
import type { Result } from '../../../core/model/attempt.ts'
import { systemClock, until } from '../../../core/kernel/clock.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import type { Confinement } from '../../../agents/pilot/isolation/isolation.ts'
import { bindPlace, isolationKinds, seenNode, workPlace } from './isolation-kinds.ts'
import { mib, shell, task } from './tasks.ts'

const vmId = 'vm-payloads00' as VmId

const clock = systemClock()
const root = workPlace()
const scripts = bindPlace()
const node = seenNode(scripts)
const watch = startWatch(clock, process.pid)
let jobId = 0
afterAll(() => {
  for (const place of [root, scripts]) rmSync(place, { recursive: true, force: true })
})

/** Some twenty payloads run at once, and other files beside them. */
const testMs = 60_000
const kinds = await isolationKinds([scripts])

type Ran = Result & {
  readonly dir: string
  readonly stdout: string
  readonly stderr: string
  readonly confinement: Confinement
}

const perl = (script: string): string => `perl -e '${script}'`

/** By a fresh eye: the traces of the payload's directory, whatever the runner believes. */
function processesIn(dir: string): readonly ProcessStat[] {
  const wanted = { leader: -1, dir, pipes: [], seen: new Map<number, number>() }
  return processScanner(process.pid).scan([wanted]).get(wanted) ?? []
}

const isGone = (pid: number): boolean => readStat(pid)?.over ?? true

describe.each(kinds.map((kind) => [kind.name, kind] as const))('under %s', (_, { isolation, why }) => {
  describe
    .skipIf(why !== '')
    .concurrent(why === '' ? 'a payload' : `a payload (not run: ${why})`, { timeout: testMs }, () => {
      async function run(wanted: Task, stopAfter?: { ready: string; graceMs: number }): Promise<Ran> {
        jobId += 1
        const dir = join(root, `${jobId}.1`)
        const confinement = isolation.confine(`${jobId}.1`, dir, wanted.spec.requirements.memoryBytes)
        if (!confinement) throw new Error('no account is free')
        const payload = startPayload({ vmId, task: wanted, dir, clock, watch, confinement })
        if (stopAfter) {
          await until(clock, () => existsSync(join(dir, 'home', stopAfter.ready)), { withinMs: 5000, everyMs: 5 })
          payload.stop('killed by ada', stopAfter.graceMs)
          payload.stop('too late', 0)
        }
        const result = await payload.done
        const text = (name: string): string => (existsSync(join(dir, name)) ? readFileSync(join(dir, name), 'utf8') : '')
        expect(processesIn(dir)).toEqual([])
        const ran = { ...result, dir, stdout: text('stdout'), stderr: text('stderr'), confinement }
        await confinement.remove()
        expect(existsSync(dir)).toBe(false)
        expect(isolation.retired()).toEqual([])
        return ran
      }

      const isApart = isolation.kind === 'namespaces'

      it('ends with its exit code, and what it wrote is kept', async () => {
        const ran = await run(shell('echo out; echo err >&2; exit 3'))
        expect(ran).toMatchObject({ end: 'exited', exitCode: 3, signal: '', detail: '', stdout: 'out\n', stderr: 'err\n' })
        expect(ran).toMatchObject({ stdoutBytes: 4, stderrBytes: 4, droppedBytes: 0 })
        expect(ran.endedMs - ran.startedMs).toBeGreaterThanOrEqual(0)
      })

      it('is reported with its signal where it ended by one', async () => {
        expect(await run(shell('kill -SEGV $$'))).toMatchObject({ end: 'signalled', signal: 'SIGSEGV', exitCode: 0 })
      })

      it.each([
        ['/no/such/thing', 127],
        ['no-such-thing', 127],
        ['/etc/passwd', 126],
        ['/etc/passwd/below', 127],
        ['/', 126],
      ])('that is %s is an exit of %d, as a shell has it', async (executable, exitCode) => {
        expect(await run(task({ executable }))).toMatchObject({ end: 'exited', exitCode })
      })

      it('that no system could start is reported as not started', async () => {
        expect(await run(task({ executable: '' }))).toMatchObject({ end: 'not-started' })
        expect(await run(task({ arguments: ['a\0b'] }))).toMatchObject({ end: 'not-started' })
      })

      it('gets its arguments as they are: no shell reads them', async () => {
        const ran = await run(task({ executable: 'printf', arguments: ['%s|', '$HOME', '; id', '*'] }))
        expect(ran.stdout).toBe('$HOME|; id|*|')
      })

      it('has a clean environment, its job’s own, and never the agent’s', async () => {
        const environment = { GREETING: 'hello', LANG: 'de_DE.UTF-8', PILOTAGE_JOB_ID: '666' }
        const ran = await run({ ...task({ executable: 'env', environment, cores: 2, jobId: 7 }), attempt: 3 })
        const seen = Object.fromEntries(
          ran.stdout
            .trim()
            .split('\n')
            .map((row) => row.split('=', 2)),
        )
        expect(seen).toEqual({
          PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
          HOME: join(ran.dir, 'home'),
          TMPDIR: join(ran.dir, 'tmp'),
          LANG: 'de_DE.UTF-8',
          OMP_NUM_THREADS: '2',
          GREETING: 'hello',
          PILOTAGE_VM_ID: vmId,
          PILOTAGE_DIR: ran.dir,
          PILOTAGE_JOB_ID: '7',
          PILOTAGE_ATTEMPT: '3',
          PILOTAGE_CORES: '2',
          PILOTAGE_MEMORY_BYTES: String(64 * mib),
        })
      })

      it('works in its own directory, with nothing to read and in a session of its own', async () => {
        const ran = await run(shell('pwd; cat; cut -d" " -f5,6 /proc/$$/stat; echo $$; umask; exec ls /proc/self/fd'))
        const [cwd, ids, pid, mask, ...descriptors] = ran.stdout.trim().split('\n')
        // Inside a PID namespace, the session of a step outside of it has no number.
        expect([cwd, ids]).toEqual([join(ran.dir, 'home'), isApart ? '0 0' : `${pid} ${pid}`])
        // 3 is what ls has opened to look.
        expect(mask).toBe('0022')
        if (ran.confinement.mode !== 'direct') expect([mask, ...descriptors]).toEqual(['0022', '0', '1', '2', '3'])
      })

      it('has the usual mask and limits, whatever the pilot’s are', async () => {
        const before = process.umask(0o077)
        const ran = await run(
          shell('umask; touch made; stat -c %a made; ulimit -Sn; ulimit -Sc; ulimit -Sn "$(ulimit -Hn)" && echo raised'),
        )
        process.umask(before)
        const [mask, mode, files, cores, raised] = ran.stdout.trim().split('\n')
        expect([mask, mode, raised]).toEqual(['0022', '644', 'raised'])
        if (ran.confinement.mode !== 'direct') expect([files, cores]).toEqual(['1024', '0'])
      })

      it('has its output cut at a mebibyte a stream, and the rest counted', async () => {
        const ran = await run(shell('head -c 3000000 /dev/zero; echo error >&2'))
        expect(ran).toMatchObject({ end: 'exited', exitCode: 0, stdoutBytes: mib, stderrBytes: 6 })
        expect(ran.droppedBytes).toBe(3_000_000 - mib)
        expect(ran.stdout).toHaveLength(mib)
      })

      it('is stopped when its wall time is over', async () => {
        const ran = await run(shell('trap "echo bye; exit 0" TERM; while :; do sleep 0.05; done', { wallMs: 300 }))
        expect(ran).toMatchObject({ end: 'wall-limit', detail: 'ran longer than 0.3 s', stdout: 'bye\n' })
        expect(ran.wallMs).toBeGreaterThanOrEqual(300)
      })

      it('is stopped when all its processes together take too much memory', async () => {
        const eat = 'const b=[];for(let i=0;i<12;i++)b.push(Buffer.alloc(10*2**20,1));setTimeout(()=>{},20000)'
        const script = `"${node}" -e '${eat}' & "${node}" -e '${eat}' & wait`
        const ran = await run(shell(script, { memoryBytes: 240 * mib }))
        expect(ran).toMatchObject({ end: 'memory-limit' })
        expect(ran.detail).toMatch(/^used .* of 240 MiB$/)
        expect(ran.peakMemoryBytes).toBeGreaterThan(240 * mib)
      })

      it('has memory counted once that its processes share', { timeout: 60_000 }, async () => {
        const share = perl(`my $n = 100 * 2**20; my $x = "a" x $n; for (1..4) { fork or last } sleep 3`)
        const ran = await run(shell(share, { memoryBytes: 300 * mib, wallMs: 50_000 }))
        expect(ran).toMatchObject({ end: 'exited', exitCode: 0 })
        expect(ran.peakMemoryBytes).toBeGreaterThan(90 * mib)
        expect(ran.peakMemoryBytes).toBeLessThan(300 * mib)
      })

      // On a busy machine a look at the disk takes seconds.
      it('is stopped when it takes too much disk', { timeout: 60_000 }, async () => {
        const wish = { diskBytes: 10_000_000, wallMs: 50_000 }
        const ran = await run(shell('head -c 20000000 /dev/zero > big; sleep 50', wish))
        expect(ran).toMatchObject({ end: 'disk-limit', detail: 'used more than 9.5 MiB' })
      })

      it('reports its CPU time and its peak memory', async () => {
        // By its own CPU time: how long that takes is the machine's affair.
        const spin = 'const b=Buffer.alloc(50*2**20,1);while(process.cpuUsage().user<300000)b[0]++'
        const ran = await run(task({ executable: node, arguments: ['-e', spin], memoryBytes: 1024 * mib }))
        expect(ran).toMatchObject({ end: 'exited', exitCode: 0 })
        expect(ran.cpuMs).toBeGreaterThan(150)
        expect(ran.peakMemoryBytes).toBeGreaterThan(50 * mib)
      })

      it('that is asked to stop may end by itself, its children too', async () => {
        const child = '(trap "sleep 0.2; echo child; exit" TERM; touch ready; while :; do sleep 0.02; done)'
        const ran = await run(shell(`${child} & wait`), { ready: 'ready', graceMs: 5000 })
        expect(ran).toMatchObject({ end: 'stopped', detail: 'killed by ada', stdout: 'child\n' })
        expect(ran.wallMs).toBeLessThan(4000)
      })

      it('that does not listen is killed after the grace', async () => {
        const ran = await run(shell('trap "" TERM; touch ready; while :; do sleep 0.05; done'), {
          ready: 'ready',
          graceMs: 200,
        })
        expect(ran).toMatchObject({ end: 'stopped', signal: 'SIGKILL', detail: 'killed by ada' })
      })

      it('leaves no process behind, whatever session and environment they made for themselves', async () => {
        const ran = await run(
          shell(
            [
              'sleep 100 & echo $!',
              'setsid sleep 101 & echo $!',
              // Its environment is empty and its session its own: only the directory that it works in is left.
              'setsid env -i sleep 102 & echo $!',
              // It even leaves the directory: what it writes to is left.
              '(cd / && setsid env -i sleep 103 & echo $!)',
              'sleep 0.5',
            ].join('\n'),
          ),
        )
        // The kernel ends what is in a namespace before its end is known.
        const detail = isApart ? '' : 'left 4 processes behind, which were ended'
        expect(ran).toMatchObject({ end: 'exited', exitCode: 0, detail })
        const pids = ran.stdout.trim().split('\n').map(Number)
        expect(pids).toHaveLength(4)
        if (!isApart) expect(pids.filter((pid) => !isGone(pid))).toEqual([])
        expect(ran.wallMs).toBeLessThan(5000)
      })

      it.each([
        ['closed its folders', 'mkdir -p a/b; touch a/b/c; ln -s / root; chmod 000 a/b a ../tmp .'],
        [
          'kept modules that nothing may change',
          'mkdir -p go/mod/x; touch go/mod/f; chmod 444 go/mod/f; chmod 555 go/mod/x go/mod go',
        ],
        [
          'made a path longer than the system takes',
          perl('for (1..300) { mkdir "a" x 20; chdir "a" x 20 } open(my $f, ">", "f")'),
        ],
        [
          'closed each folder of such a path',
          perl('for (1..300) { mkdir "a" x 20; chdir "a" x 20 } for (1..300) { chdir ".."; chmod 0, "a" x 20 }'),
        ],
        ['made more files than a command takes names', perl('open(my $f, ">", "a" x 240 . $_) for (1..9000)')],
        [
          'gave names that are not text',
          perl(
            'mkdir "\\xff"; mkdir "\\xff/\\xfe"; chmod 0, "\\xff/\\xfe", "\\xff"; mkdir "../\\xff"; mkdir "../\\xff/a"; chmod 0, "../\\xff"',
          ),
        ],
      ])('that %s can be removed', async (_, script) => {
        // `run` looks whether all of it is gone.
        const ran = await run(shell(script, { diskBytes: 1024 * mib, wallMs: 50_000 }))
        expect(ran).toMatchObject({ end: 'exited', exitCode: 0 })
      })

      it('that is a script without a first line is run as a shell would', async () => {
        const path = join(scripts, 'script')
        writeFileSync(path, 'echo plain\n')
        chmodSync(path, 0o755)
        expect(await run(task({ executable: path }))).toMatchObject({ end: 'exited', exitCode: 0, stdout: 'plain\n' })
      })
    })
})
