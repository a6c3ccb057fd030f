/** What is rendered for machines, read by the real cloud-init: it has nothing to say against it, not even as a warning. */

import { expect, it } from 'vitest'
import { everyDocument } from '../contextualization/every-document.ts'
import { cloudInit } from './servers.ts'

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
