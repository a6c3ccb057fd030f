/**
 * The script by which a worker follows its site's proxies, run as it is rendered, in a directory that stands for the
 * machine.
 */

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { machineContext } from '../../../contextualization/machine.ts'
import type { MachineOrder } from '../../../contextualization/order.ts'
import { machineOrder } from './samples.ts'

const [a, b, c] = ['http://a.example.org:3128', 'http://10.0.0.2:3128', 'http://[2001:db8::1]:3128']
const base = { proxies: [a], fallbackProxies: [], isDirectAllowed: true }

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'pilotage-follow-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

type Machine = {
  /** Runs it where the service answers this; undefined: it does not. */
  follow(answer: string | undefined): { status: number | null; output: string }
  setting(): string
  /** What clients were asked to do, and by which way the list was asked for, oldest first. */
  calls(): readonly string[]
  asked(): readonly string[]
  /** Clients that cannot be reached. */
  breakClient(isBroken: boolean): void
}

function machine(changes: Partial<MachineOrder>): Machine {
  const { files } = machineContext(machineOrder({ ...base, ...changes }))
  const local = (path: string): string => join(root, path)
  for (const dir of ['etc/cvmfs', 'bin']) mkdirSync(local(dir), { recursive: true })
  const text = (path: string): string => files.find((file) => file.path === path)?.content ?? ''
  writeFileSync(local('etc/cvmfs/default.local'), text('/etc/cvmfs/default.local'))
  const script = text('/usr/lib/pilotage/follow-proxies')
    .replaceAll('/etc/cvmfs', local('etc/cvmfs'))
    .replaceAll('/run/pilotage-proxies', local('run'))
    .replaceAll('/proc/mounts', local('mounts'))
  writeFileSync(local('script'), script)
  writeFileSync(local('mounts'), 'cvmfs2 /cvmfs/lhcb.cern.ch fuse ro 0 0\n/dev/vda1 /cvmfs/none ext4 rw 0 0\n')
  const program = (name: string, lines: string): void => {
    writeFileSync(local(`bin/${name}`), `#!/bin/sh\n${lines}\n`)
    chmodSync(local(`bin/${name}`), 0o755)
  }
  program(
    'curl',
    `while [ $# -gt 1 ]; do [ "$1" = --proxy ] && way=$2; [ "$1" = -o ] && file=$2; shift; done
echo "$way $1" >>${local('asked')}
[ -f ${local('answer')} ] || exit 7
cat ${local('answer')} >"$file"`,
  )
  program('cvmfs_talk', `[ -f ${local('broken')} ] && echo "not running" && exit 1; echo "$*" >>${local('calls')}; echo OK`)
  const lines = (name: string): readonly string[] =>
    existsSync(local(name)) ? readFileSync(local(name), 'utf8').trimEnd().split('\n') : []
  return {
    follow(answer) {
      rmSync(local('answer'), { force: true })
      if (answer !== undefined) writeFileSync(local('answer'), answer)
      const env = { PATH: `${local('bin')}:/usr/bin:/bin` }
      const { status, stdout, stderr } = spawnSync('sh', [local('script')], { encoding: 'utf8', env })
      return { status, output: stdout + stderr }
    },
    setting: () => /^CVMFS_HTTP_PROXY='(.*)'$/m.exec(readFileSync(local('etc/cvmfs/default.local'), 'utf8'))?.[1] ?? '',
    calls: () => lines('calls'),
    asked: () => lines('asked'),
    breakClient: (isBroken) => (isBroken ? writeFileSync(local('broken'), '') : rmSync(local('broken'))),
  }
}

it('rewrites the setting and updates the clients that run, and nothing where nothing changed', () => {
  const one = machine({})
  expect(one.follow(`${a}\n`)).toEqual({ status: 0, output: '' })
  expect(one.calls()).toEqual([])
  expect(one.follow(`${a}\n${b}\n${c}\n`)).toMatchObject({ status: 0 })
  expect(one.setting()).toBe(`${a}|${b}|${c};DIRECT`)
  expect(one.calls()).toEqual([`-i lhcb.cern.ch proxy set ${a}|${b}|${c};DIRECT`])
  expect(one.follow(`${a}\n${b}\n${c}\n`)).toEqual({ status: 0, output: '' })
  expect(one.calls()).toHaveLength(1)
  expect(readFileSync(join(root, 'etc/cvmfs/default.local'), 'utf8')).toContain("CVMFS_TIMEOUT='5'\n")
})

it('updates again the clients that it could not reach', () => {
  const one = machine({})
  one.breakClient(true)
  expect(one.follow(`${b}\n`)).toMatchObject({ status: 1, output: expect.stringContaining('lhcb.cern.ch') })
  expect(one.follow(`${b}\n`).status).toBe(1)
  one.breakClient(false)
  expect(one.follow(`${b}\n`).status).toBe(0)
  expect(one.calls()).toEqual([`-i lhcb.cern.ch proxy set ${b};DIRECT`])
})

it.each([
  ['a name without a port', 'http://a.example.org\n'],
  ['another protocol', 'https://a.example.org:3128\n'],
  ['shell code', "http://a:1';reboot;'\n"],
  ['sed code', 'http://a&b:1\n'],
  ['two on a line', `${a} ${b}\n`],
  ['a page', '<html>please sign in</html>'],
  ['an empty line between', `${a}\n\n${b}\n`],
  ['too many', `${a}\n`.repeat(33)],
  ['too much', `http://${'x'.repeat(9000)}:1\n`],
  ['without an end', `${a}\n`.repeat(100_000)],
  ['missing', undefined],
])('keeps what it has where the answer is %s', (_what, answer) => {
  const one = machine({})
  const before = one.setting()
  expect(one.follow(answer)).toMatchObject({ status: 1 })
  expect([one.setting(), one.calls()]).toEqual([before, []])
})

it('goes past the proxies where it may, and last where it may not: those that are all gone change nothing', () => {
  const open = machine({ proxies: [a, b] })
  open.follow(undefined)
  const url = 'http://pilotage.example.org:7402/sites/home/proxies'
  expect(open.asked()).toEqual([` ${url}`, `${a} ${url}`, `${b} ${url}`])
  rmSync(join(root, 'asked'))
  const closed = machine({ proxies: [a, b], isDirectAllowed: false })
  closed.follow(undefined)
  expect(closed.asked()).toEqual([`${a} ${url}`, `${b} ${url}`, ` ${url}`])
})

it('an empty list leaves what else there is; where there is nothing, what was there', () => {
  const open = machine({})
  open.follow('')
  expect(open.setting()).toBe('DIRECT')
  const second = machine({ isDirectAllowed: false, fallbackProxies: [c] })
  second.follow('')
  expect(second.setting()).toBe(c)
  const closed = machine({ isDirectAllowed: false })
  expect(closed.follow('')).toMatchObject({ status: 0 })
  expect(closed.setting()).toBe(a)
})

it('makes of a list what the context would have been rendered with', () => {
  const some = fc.subarray([a, b, c], { minLength: 1 })
  fc.assert(
    fc.property(some, fc.subarray([b, c]), fc.boolean(), (proxies, fallbackProxies, isDirectAllowed) => {
      const wanted = machine({ proxies, fallbackProxies, isDirectAllowed }).setting()
      const one = machine({ proxies: ['http://before:1'], fallbackProxies, isDirectAllowed })
      expect(one.follow(proxies.map((proxy) => `${proxy}\n`).join('')).status).toBe(0)
      expect(one.setting()).toBe(wanted)
    }),
    { numRuns: 15 },
  )
})

it('is there only where it has something to do', () => {
  const paths = (changes: Partial<MachineOrder>) =>
    machineContext(machineOrder(changes)).files.filter(({ path }) => path.includes('prox')).length
  const { cvmfs } = machineOrder()
  expect(paths({})).toBe(3)
  expect(paths({ proxiesUrls: [] })).toBe(0)
  expect(paths({ cvmfs: undefined })).toBe(0)
  expect(paths({ cvmfs: cvmfs && { ...cvmfs, parameters: { CVMFS_HTTP_PROXY: 'auto' } } })).toBe(0)
})
