/** What is rendered for machines, read by the real cloud-init: it has nothing to say against it, not even as a warning. */

import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { cloudConfig, machineContext } from '../../contextualization/machine.ts'
import { everyDocument } from '../unit/contextualization/every-document.ts'
import { machineOrder } from '../unit/contextualization/samples.ts'
import { cloudInit } from './servers.ts'

type Merged = { runcmd: readonly unknown[]; write_files: readonly { path: string }[]; [key: string]: unknown }

/** As a machine would work with it, for an operator's own document. */
async function machineWith(own: string): Promise<{ merged: Merged; text: string; others: readonly unknown[] }> {
  const { config, others } = await cloudInit().parts(cloudConfig(machineContext(machineOrder()), own))
  return { merged: parse(config, { version: '1.1' }) as Merged, text: config, others }
}

const bootstrap = ['/usr/lib/pilotage/bootstrap']
const ours = machineContext(machineOrder()).files.map(({ path }) => path)
const whole = async (own: string) => {
  const { merged, text, others } = await machineWith(own)
  expect(merged.write_files.map(({ path }) => path).filter((path) => path !== '/own')).toEqual([...ours, ...bootstrap])
  expect(await cloudInit().schema(text)).toBe('')
  return { merged, others }
}

it('accepts every document that is rendered', async () => {
  const documents = everyDocument()
  expect(documents.length).toBe(3 * 64 + 1)
  const answers = await cloudInit().schemas(documents.map(({ text }) => text))
  const wrong = documents.flatMap(({ name }, at) => (answers[at] === '' ? [] : [`${name}: ${answers[at]}`]))
  expect(wrong).toEqual([])
})

it('says so by its own command, and objects to what is wrong or on its way out', async () => {
  const program = cloudInit()
  const [first] = everyDocument()
  expect(await program.schema(first?.text ?? '')).toBe('')
  expect(await program.schema('#cloud-config\nruncmd: {a: b}\n')).toContain('runcmd')
  expect(await program.schema('#cloud-config\nno_such_key: 1\nwrite_files: x\n')).toContain('write_files')
  expect(await program.schema('#cloud-config\nusers: [{name: a, lock-passwd: true}]\n')).not.toBe('')
  expect(await program.schemas(['#cloud-config\nruncmd: [a]\n', '#cloud-config\nruncmd: {}\n'])).toEqual([
    '',
    expect.stringContaining('runcmd'),
  ])
})

it.each([
  ['#!/bin/sh\necho "it\'s ours"\n', 'text/x-shellscript'],
  ['#!/bin/sh\necho "schön: ✓"', 'text/x-shellscript'],
  ['#!/bin/sh\r\necho x\r\n--==\n', 'text/x-shellscript'],
  ['#cloud-boothook\n#!/bin/sh\necho early\n', 'text/cloud-boothook'],
  ['#part-handler\ndef list_types(): return []\n', 'text/part-handler'],
])('takes %j as it is beside ours', async (own, type) => {
  const { merged, others } = await whole(own)
  expect(others).toEqual([[type, own]])
  expect(merged.runcmd).toEqual([bootstrap])
})

it.each([
  [
    'a cloud-config',
    '#cloud-config\nntp: {enabled: true}\nruncmd: [touch /a-cloud]\nwrite_files: [{path: /own, content: x}]\n',
  ],
  [
    'a template of one',
    '## template: jinja\n#cloud-config\nntp: {enabled: true}\nruncmd: ["touch /{{ v1.cloud_name }}"]\nwrite_files: [{path: /own, content: x}]\n',
  ],
  [
    'an archive with one',
    '#cloud-config-archive\n- type: text/cloud-config\n  content: |\n    ntp: {enabled: true}\n    runcmd: [touch /a-cloud]\n    write_files: [{path: /own, content: x}]\n',
  ],
])('adds ours to the lists of %s', async (_what, own) => {
  const { merged } = await whole(own)
  expect(merged.ntp).toEqual({ enabled: true })
  expect(merged.runcmd).toEqual(['touch /a-cloud', bootstrap])
  expect(merged.write_files[0]?.path).toBe('/own')
})

it('is what a cloud-config without parts is, too', async () => {
  const { merged, others } = await whole('')
  expect([merged.runcmd, others]).toEqual([[bootstrap], []])
})
