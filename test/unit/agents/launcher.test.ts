import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, openSync, closeSync, rmSync, writeFileSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import {
  findLauncher,
  launchBytes,
  launchers,
  launchStatus,
  type LaunchMode,
  type LaunchSpec,
} from '../../../agents/pilot/isolation/launcher.ts'

const dir = mkdtempSync(join(tmpdir(), 'pilotage-launcher-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

type Launched = {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly status: string
}

/** One descriptor more than the launcher knows: a payload must not get it. */
function launch(command: readonly string[], spec: Partial<LaunchSpec> & { mode: LaunchMode }): Promise<Launched> {
  const [file = '', ...args] = command
  const extra = openSync(join(dir, 'extra'), 'w')
  const child = spawn(file, args, { cwd: '/', env: {}, stdio: ['ignore', 'pipe', 'inherit', 'pipe', 'pipe', extra] })
  closeSync(extra)
  const texts = { stdout: '', status: '' }
  child.stdout?.on('data', (data: Buffer) => {
    texts.stdout += data.toString('latin1')
  })
  child.stdio[4]?.on('data', (data: Buffer) => {
    texts.status += data.toString('latin1')
  })
  // A step that fails reads and says nothing.
  for (const stream of child.stdio.slice(3)) stream?.on('error', () => undefined)
  const input = child.stdio[3]
  if (input && 'end' in input) {
    input.end(launchBytes({ cwd: dir, environment: { PATH: '/usr/bin:/bin' }, executable: 'sh', arguments: [], ...spec }))
  }
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, ...texts })))
}

describe.each(launchers.map((command) => [command[0] ?? '', command] as const))('the launcher in %s', (program, command) => {
  describe.skipIf(!existsSync(program)).each(['exec', 'init'] as const)('as %s', (mode) => {
    const shell = (script: string, environment = {}) =>
      launch(command, { mode, arguments: ['-c', script], environment: { PATH: '/usr/bin:/bin', ...environment } })

    it('starts the command with its arguments as they are, in its folder, and with its environment alone', async () => {
      const odd = { EMPTY: '', EQUALS: 'a=b=c', LINES: 'one\ntwo', BYTES: 'é', LD_PRELOAD: '/no/such.so' }
      const environment = { PATH: '/usr/bin:/bin', ...odd }
      const ran = await launch(command, { mode, executable: 'env', arguments: ['-0'], environment })
      expect(
        Object.fromEntries(
          ran.stdout
            .split('\0')
            .slice(0, -1)
            .map((row) => row.split(/=(.*)/s, 2)),
        ),
      ).toEqual({
        ...environment,
        BYTES: Buffer.from('é').toString('latin1'),
      })
      const args = ['%s|', '', '*', '$HOME', 'a\nb']
      expect((await launch(command, { mode, executable: 'printf', arguments: args })).stdout).toBe('|*|$HOME|a\nb|')
      expect((await shell('pwd; umask')).stdout).toBe(`${dir}\n0022\n`)
      // The last is what ls itself has opened to look.
      const listed = await launch(command, { mode, executable: 'ls', arguments: ['/proc/self/fd'] })
      expect(listed.stdout.trim().split('\n')).toEqual(['0', '1', '2', '3'])
    })

    it('says how the command ended, exactly', async () => {
      const wait = async (script: string) => {
        const { code, signal, status } = await shell(script)
        const came = launchStatus(status)
        if (came.kind !== 'ran') throw new Error(status)
        return mode === 'exec' ? { code, signal } : { wait: came.wait }
      }
      expect(await wait('exit 7')).toEqual(mode === 'exec' ? { code: 7, signal: null } : { wait: 7 << 8 })
      expect(await wait('exit 137')).toEqual(mode === 'exec' ? { code: 137, signal: null } : { wait: 137 << 8 })
      const { SIGSEGV } = constants.signals
      expect(await wait('ulimit -c 0; kill -SEGV $$')).toEqual(
        mode === 'exec' ? { code: null, signal: 'SIGSEGV' } : { wait: SIGSEGV },
      )
    })

    it.each([
      ['/no/such/thing', 'ENOENT'],
      ['no-such-thing', 'ENOENT'],
      ['/etc/passwd', 'EACCES'],
      ['/etc/passwd/below', 'ENOTDIR'],
    ] as const)('says that %s cannot be started: %s', async (executable, name) => {
      const { status } = await launch(command, { mode, executable })
      expect(launchStatus(status)).toEqual({ kind: 'no-exec', errno: constants.errno[name] })
    })

    it('runs a script without a first line as a shell would', async () => {
      const path = join(dir, 'script')
      writeFileSync(path, 'echo "plain $1"\n')
      chmodSync(path, 0o755)
      expect((await launch(command, { mode, executable: path, arguments: ['it is'] })).stdout).toBe('plain it is\n')
    })

    it('leaves no signal ignored and none blocked', async () => {
      const ran = await launch(command, {
        mode,
        executable: 'grep',
        arguments: ['-E', '^Sig(Blk|Ign)', '/proc/self/status'],
      })
      expect(ran.stdout.match(/[0-9a-f]{16}/g)).toEqual(['0'.repeat(16), '0'.repeat(16)])
    })

    it('is not reached where a step before it fails', async () => {
      const { status } = await launch(['/bin/sh', '-c', 'exit 3', ...command], { mode })
      expect(launchStatus(status)).toEqual({ kind: 'not-reached' })
    })
  })
})

it('refuses what no system call could take', () => {
  const spec = { mode: 'exec', cwd: '/', environment: {}, executable: 'sh', arguments: [] } as const
  expect(() => launchBytes({ ...spec, executable: '' })).toThrow()
  expect(() => launchBytes({ ...spec, arguments: ['a\0b'] })).toThrow()
  expect(() => launchBytes({ ...spec, environment: { A: 'b\0C=d' } })).toThrow()
})

it('is found where there is an interpreter', () => {
  expect(findLauncher([['/no/such'], ['/bin/sh', 'x']])).toEqual(['/bin/sh', 'x'])
  expect(findLauncher([])).toBeUndefined()
})
