/** What a real machine gets: one document for every cloud, and a plain script that says the same. */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { cloudConfig, machineContext, plainScript } from '../../../contextualization/machine.ts'
import type { MachineOrder } from '../../../contextualization/order.ts'
import { base, config, machineOrder as order } from './samples.ts'

type Document = {
  readonly write_files: readonly { path: string; permissions: string; owner: string; content: string }[]
  readonly runcmd: readonly unknown[]
  readonly [key: string]: unknown
}

function documentOf(changes: Partial<MachineOrder> = {}, own?: string): Document {
  return parse(cloudConfig(machineContext(order(changes)), own), { version: '1.1' }) as Document
}

function fileIn({ write_files }: Document, path: string): string {
  return write_files.find((file) => file.path === path)?.content ?? ''
}

/** As a shell sees it, without running it. */
function syntaxError(script: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'pilotage-script-'))
  writeFileSync(join(dir, 'script'), script)
  const { stderr } = spawnSync('sh', ['-n', join(dir, 'script')], { encoding: 'utf8' })
  rmSync(dir, { recursive: true })
  return stderr
}

it('is a cloud-config with the agents configuration, two services and one script', () => {
  const text = cloudConfig(machineContext(order()))
  expect(text.startsWith('#cloud-config\n')).toBe(true)
  expect(cloudConfig(machineContext(order()))).toBe(text)
  const document = documentOf()
  expect(document.write_files.map(({ path, permissions }) => [path, permissions])).toEqual([
    ['/etc/pilotage/agent.json', '0600'],
    ['/etc/systemd/system/pilotage-monitor.service', '0644'],
    ['/etc/systemd/system/pilotage-pilot.service', '0644'],
    ['/etc/cvmfs/default.local', '0644'],
    ['/usr/lib/pilotage/follow-proxies', '0755'],
    ['/etc/systemd/system/pilotage-proxies.service', '0644'],
    ['/etc/systemd/system/pilotage-proxies.timer', '0644'],
    ['/usr/lib/pilotage/bootstrap', '0700'],
  ])
  expect(document.write_files.every(({ owner }) => owner === 'root:root')).toBe(true)
  expect(document.runcmd).toEqual([['/usr/lib/pilotage/bootstrap']])
  expect(JSON.parse(fileIn(document, '/etc/pilotage/agent.json'))).toEqual(config)
})

it('holds the activation key once, in a file of its own', () => {
  for (const text of [cloudConfig(machineContext(order())), plainScript(machineContext(order()))]) {
    expect(text.split(config.activationKey)).toHaveLength(2)
  }
})

it('closes the metadata address and runs nothing as root', () => {
  for (const name of ['monitor', 'pilot']) {
    const unit = fileIn(documentOf(), `/etc/systemd/system/pilotage-${name}.service`)
    expect(unit).toContain('\nUser=pilotage\n')
    expect(unit).toContain('\nIPAddressDeny=169.254.169.254\n')
  }
  expect(fileIn(documentOf(), '/etc/systemd/system/pilotage-monitor.service')).toContain('\nSuccessAction=poweroff\n')
})

it('opens the metadata address to the monitor of a spot machine, and to nothing else', () => {
  const interruption = { kind: 'ec2', metadataUrl: 'http://169.254.169.254' } as const
  const document = documentOf({ config: { ...config, interruption } })
  const closed = document.write_files.filter(({ content }) => content.includes('IPAddressDeny=169.254.169.254'))
  expect(closed.map(({ path }) => path)).toEqual([
    '/etc/systemd/system/pilotage-pilot.service',
    '/etc/systemd/system/pilotage-proxies.service',
  ])
})

it('configures CVMFS through the proxies, and proves every mount before the agents start', () => {
  const local = fileIn(documentOf(), '/etc/cvmfs/default.local')
  expect(local.split('\n')).toEqual([
    "CVMFS_REPOSITORIES='lhcb.cern.ch,sft.cern.ch'",
    "CVMFS_HTTP_PROXY='http://squid-1.example.org:3128|http://squid-2.example.org:3128;DIRECT'",
    "CVMFS_QUOTA_LIMIT='4096'",
    "CVMFS_TIMEOUT='5'",
    '',
  ])
  const script = fileIn(documentOf(), '/usr/lib/pilotage/bootstrap')
  const probe = script.indexOf("ls '/cvmfs/sft.cern.ch'")
  expect(probe).toBeGreaterThan(0)
  expect(script.indexOf('systemctl start')).toBeGreaterThan(probe)
  expect(fileIn(documentOf({ isDirectAllowed: false }), '/etc/cvmfs/default.local')).not.toContain('DIRECT')
  const fallback = documentOf({ fallbackProxies: ['http://far.example.org:3128'] })
  expect(fileIn(fallback, '/etc/cvmfs/default.local')).toContain(":3128;http://far.example.org:3128;DIRECT'\n")
  const found = fileIn(documentOf({ proxies: [], discoverFrom: ['http://a/wpad.dat', 'auto'] }), '/etc/cvmfs/default.local')
  expect(found).toContain("CVMFS_HTTP_PROXY='auto;DIRECT'\nCVMFS_PAC_URLS='http://a/wpad.dat;auto'\n")
  expect(fileIn(documentOf({ proxies: [], isDirectAllowed: false }), '/etc/cvmfs/default.local')).toContain("='DIRECT'\n")
  expect(fileIn(documentOf({ cvmfs: undefined }), '/etc/cvmfs/default.local')).toBe('')
})

it('merges the operator’s own document: lists first theirs, then ours', () => {
  const own = '#cloud-config\nntp: {enabled: true}\nruncmd:\n  - touch /first\nwrite_files:\n  - {path: /own, content: x}\n'
  const document = documentOf({}, own)
  expect(document.ntp).toEqual({ enabled: true })
  expect(document.runcmd).toEqual(['touch /first', ['/usr/lib/pilotage/bootstrap']])
  expect(document.write_files[0]).toEqual({ path: '/own', content: 'x' })
})

it.each([
  ['#!/bin/sh\necho own\n', 'text/x-shellscript'],
  ['## template: jinja\n#cloud-config\n{}\n', 'text/jinja2'],
  ['#cloud-boothook\necho own\n', 'text/cloud-boothook'],
  ['#cloud-config-archive\n[]\n', 'text/cloud-config-archive'],
  ['#include-once\nhttps://example.org/own\n', 'text/x-include-once-url'],
])('carries %j before ours as a part of its own', (own, type) => {
  const text = cloudConfig(machineContext(order()), own)
  expect(cloudConfig(machineContext(order()), own)).toBe(text)
  expect(text.split(config.activationKey)).toHaveLength(2)
  const boundary = /^Content-Type: multipart\/mixed; boundary="([^"]+)"\nMIME-Version: 1.0\n\n/.exec(text)?.[1] ?? '-'
  const [, first = '', second = '', end] = text.split(`--${boundary}`)
  expect(first).toContain(`Content-Type: ${type};`)
  expect(first.endsWith(`\n\n${own}\n`)).toBe(true)
  const [head, ...body] = second.split('\n\n')
  expect(head).toContain('Merge-Type: list(append)')
  expect(body.join('\n\n')).toBe(`${cloudConfig(machineContext(order()))}\n`)
  expect(end).toBe('--\n')
  expect(cloudConfig(machineContext(order()), `${own}# more\n`)).not.toContain(boundary)
})

it.each([
  ['no header', 'ntp: {}'],
  ['no YAML', '#cloud-config\n{'],
  ['no mapping', '#cloud-config\n- a'],
  ['no list', '#cloud-config\nruncmd: x'],
])('refuses an own document with %s', (_what, own) => {
  expect(() => documentOf({}, own)).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
})

it('refuses what could not be fetched or is no repository', () => {
  const refused = expect.objectContaining({ code: 'invalid-argument' })
  expect(() => documentOf({ pilot: { urls: [], sha256: '1'.repeat(64) } })).toThrow(refused)
  expect(() => documentOf({ pilot: { urls: ['file:///etc/passwd'], sha256: '1'.repeat(64) } })).toThrow(refused)
  expect(() => documentOf({ nodes: [{ urls: [`${base}/agents/x`], sha256: 'x', platform: 'linux-x64' }] })).toThrow(refused)
  const cvmfs = { cacheBytes: 1, parameters: {} }
  expect(() => documentOf({ cvmfs: { ...cvmfs, repositories: ['a; reboot'] } })).toThrow(refused)
  expect(() => documentOf({ cvmfs: { ...cvmfs, repositories: ['a.b'], parameters: { 'X\nY': '' } } })).toThrow(refused)
})

it('is a script that a shell can read, whatever an operator adds', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.string(),
      fc.array(fc.string({ minLength: 1 }), { maxLength: 3 }),
      (content, vo, packages) => {
        const files = [{ path: '/etc/added', permissions: '0644', content: content.replaceAll('\0', '') }]
        const extras = { packages: packages.map((name) => name.replaceAll('\0', '')), files, commands: ['true', 'exit 0'] }
        const changes = { extras, config: { ...config, site: vo.replaceAll('\0', '') } }
        const context = machineContext(order(changes))
        expect(syntaxError(context.script)).toBe('')
        expect(syntaxError(plainScript(context))).toBe('')
      },
    ),
    { numRuns: 25 },
  )
})

it('writes from the plain script exactly what cloud-init would write', () => {
  const dir = mkdtempSync(join(tmpdir(), 'pilotage-plain-'))
  const files = [{ path: join(dir, 'a b', "it's"), permissions: '0640', content: "line\n$HOME `id` 'x' \\ %s\n" }]
  const script = plainScript({ files, script: '#!/bin/sh\n' }).replace(/exec .*\n$/, '')
  const own = script.replaceAll('/usr/lib/pilotage', join(dir, 'lib'))
  expect(spawnSync('sh', ['-c', own], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
  const read = spawnSync('cat', [files[0]?.path ?? ''], { encoding: 'utf8' }).stdout
  expect(read).toBe(files[0]?.content)
  rmSync(dir, { recursive: true })
})
