/** What a machine that keeps a site's files gets. Whether a real squid does what it says is for the peers' tests. */

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { cloudConfig, plainScript } from '../../../contextualization/machine.ts'
import { sizeLines, squidContext } from '../../../contextualization/squid.ts'
import { squidOrder } from './samples.ts'
import { noResources } from '../../../core/model/resources.ts'

const gib = 1024 ** 3

function fileIn(order = squidOrder(), path = '/etc/squid/pilotage.conf'): string {
  return squidContext(order).files.find((file) => file.path === path)?.content ?? ''
}

it('is squid and the monitor, and no pilot', () => {
  const { files, script } = squidContext(squidOrder())
  expect(files.map(({ path }) => path)).toEqual([
    '/etc/pilotage/agent.json',
    '/etc/systemd/system/pilotage-monitor.service',
    '/etc/systemd/system/pilotage-squid.service',
    '/etc/squid/pilotage.conf',
  ])
  expect(script).not.toContain('pilot.cjs')
  const starts = [...script.matchAll(/systemctl start (\S+)/g)].map(([, unit]) => unit)
  expect(starts).toEqual(['pilotage-squid.service', 'pilotage-monitor.service'])
  expect(script.indexOf('systemctl mask squid.service')).toBeLessThan(script.indexOf("install 'squid'"))
  expect(spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
  expect(JSON.parse(fileIn(undefined, '/etc/pilotage/agent.json')).service).toEqual({ kind: 'squid', port: 3128 })
})

it('is rendered as workers are, with the key once', () => {
  const context = squidContext(squidOrder())
  for (const text of [cloudConfig(context), plainScript(context)]) {
    expect(text.split(squidOrder().config.activationKey)).toHaveLength(2)
  }
})

it('serves private networks unless its configuration names others', () => {
  expect(fileIn()).toContain('\nacl clients src 192.168.0.0/16\n')
  const own = fileIn(squidOrder({ clients: ['192.0.2.0/24', '2001:db8::/32'] }))
  expect(own.split('\n').filter((line) => line.startsWith('acl clients'))).toEqual([
    'acl clients src 192.0.2.0/24',
    'acl clients src 2001:db8::/32',
  ])
  const refused = expect.objectContaining({ code: 'invalid-argument' })
  for (const clients of [['all'], ['10.0.0.0/8\nhttp_access allow all'], ['']]) {
    expect(() => squidContext(squidOrder({ clients }))).toThrow(refused)
  }
})

it('refuses before it allows, and asks no other squid', () => {
  const lines = fileIn()
    .split('\n')
    .filter((line) => line.startsWith('http_access'))
  expect(lines.at(-1)).toBe('http_access deny all')
  expect(lines.filter((line) => line.startsWith('http_access allow'))).toEqual(['http_access allow clients'])
  expect(lines.indexOf('http_access allow clients')).toBe(lines.length - 2)
  expect(fileIn()).not.toContain('cache_peer')
})

it.each([
  ['the promise, where more is there', { memoryBytes: 100 * 1024 ** 2, diskBytes: gib }, 40, 768],
  ['no more disk than the memory can keep the index of', { memoryBytes: 50 * 1024 ** 2, diskBytes: 2 * gib }, 20, 1000],
])('takes its share of %s', (_what, size, memory, disk) => {
  expect(sized(size)).toMatchObject({ memory, disk })
})

it('takes no more than what is there, whatever was promised', () => {
  const { memory, disk } = sized({ memoryBytes: 2 ** 50, diskBytes: 2 ** 60 })
  const total = Number(/^MemTotal:\s+(\d+)/.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) / 1024
  expect(memory).toBeLessThanOrEqual(total * 0.4)
  expect(memory).toBeGreaterThan(total * 0.39)
  expect(disk).toBeLessThanOrEqual(total * 20)
})

/** By the lines themselves, in a directory that stands for the machine's. */
function sized(size: { memoryBytes: number; diskBytes: number }) {
  const dir = mkdtempSync(join(tmpdir(), 'pilotage-squid-'))
  mkdirSync(join(dir, 'etc/squid'), { recursive: true })
  const lines = sizeLines({ ...noResources, cores: 1, ...size }).map((line) =>
    line.replaceAll('/var/spool/squid', join(dir, 'cache')).replaceAll('/etc/squid', join(dir, 'etc/squid')),
  )
  writeFileSync(join(dir, 'script'), ['fail() { echo "$*"; exit 1; }', 'chown() { :; }', ...lines].join('\n'))
  const { status, stdout, stderr } = spawnSync('sh', ['-u', join(dir, 'script')], { encoding: 'utf8' })
  expect([status, stdout, stderr]).toEqual([0, '', ''])
  const text = readFileSync(join(dir, 'etc/squid/pilotage-sizes.conf'), 'utf8')
  rmSync(dir, { recursive: true })
  const [, memory, disk] = /^cache_mem (\d+) MB\ncache_dir aufs \S+ (\d+) 16 256\n$/.exec(text) ?? []
  return { memory: Number(memory), disk: Number(disk) }
}
