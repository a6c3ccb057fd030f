/** `pilotage job check`, `convert` and `schema`: no service is needed, and none is asked. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { readJobDocument, specsOf } from '../../../client/job-document.ts'
import { fieldNames } from '../../../core/language/fields.ts'
import { writeJob } from '../../../core/language/document.ts'
import { jobSchema } from '../../../core/language/schema.ts'
import { anyMarkedSpec } from '../../support/any-spec.ts'
import { run } from '../../support/run-command.ts'

const dir = mkdtempSync(join(tmpdir(), 'pilotage-documents-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(dir, name)
  writeFileSync(path, text)
  return path
}

const jdl = 'Executable = "echo"; Arguments = "%s"; Parameters = {"a", "b c"}; LogLevel = "DEBUG";'

describe('check', () => {
  it('prints the jobs that a document becomes, and what of it is not honoured', async () => {
    const { code, out, err } = await run(['job', 'check', file('a.jdl', jdl)])
    expect(code).toBe(0)
    expect(out.split('---\n').map((one) => specsOf(readJobDocument(one).jobs)[0]?.arguments)).toEqual([['a'], ['b', 'c']])
    expect(err).toBe('note: line 1: LogLevel = DEBUG is ignored: the pilot has one log level\n2 jobs, nothing submitted')
  })

  it('prints JSON Lines, and names the file of what it says of several', async () => {
    const { code, out, err } = await run(['job', 'check', '--json', file('a.jdl', jdl), file('b.yaml', 'executable: id')])
    expect(code).toBe(0)
    expect(
      out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { executable: string }).executable),
    ).toEqual(['echo', 'echo', 'id'])
    expect(err).toContain('a.jdl: line 1: LogLevel')
  })

  it('refuses what is wrong, with the file and the line, and says how to take it without what cannot be honoured', async () => {
    const paths = [file('c.jdl', 'Executable = "x";\nInputData = {"/vo/f"};'), file('d.yaml', 'executable: id')]
    const { code, out, err } = await run(['job', 'check', ...paths])
    expect([code, out]).toEqual([1, ''])
    expect(err).toContain('c.jdl: line 2: InputData')
    expect(err).toContain('--accept-dropped')
    expect((await run(['job', 'check', '--accept-dropped', ...paths])).code).toBe(0)
  })

  it('reads standard input, once', async () => {
    const stdin = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('executable: id')
    }
    expect((await run(['job', 'check', '-'], { stdin: stdin() })).code).toBe(0)
    expect((await run(['job', 'check', '-', '-'], { stdin: stdin() })).err).toContain('named twice')
  })
})

describe('convert', () => {
  it.each(['yaml', 'json', 'jdl'])('to %s prints what is read as the same jobs', async (format) => {
    const path = file('e.jdl', jdl)
    const { code, out } = await run(['job', 'convert', '--to', format, path])
    expect(code).toBe(0)
    expect(specsOf(readJobDocument(out).jobs)).toEqual(specsOf(readJobDocument(jdl).jobs))
  })

  it('needs a format that there is', async () => {
    expect((await run(['job', 'convert', file('e.jdl', jdl)])).code).toBe(2)
    expect((await run(['job', 'convert', '--to', 'xml', file('e.jdl', jdl)])).code).toBe(2)
  })
})

describe('schema', () => {
  const accepts = new Ajv2020({ allErrors: false }).compile(jobSchema())

  it('is printed', async () => {
    const { code, out } = await run(['job', 'schema'])
    expect([code, JSON.parse(out)]).toEqual([0, jobSchema()])
  })

  it('has every field, with a sentence', () => {
    const { $defs } = jobSchema() as { $defs: { job: { properties: Record<string, { description: string }> } } }
    expect(Object.keys($defs.job.properties).sort()).toEqual([...fieldNames].sort())
    for (const { description } of Object.values($defs.job.properties)) expect(description.length).toBeGreaterThan(5)
  })

  it('accepts every document that the service accepts', () => {
    fc.assert(
      fc.property(fc.array(anyMarkedSpec, { minLength: 1, maxLength: 3 }), (specs) => {
        const jobs = specs.map(writeJob)
        expect([accepts(jobs), accepts(jobs[0])]).toEqual([true, true])
      }),
      { numRuns: 500 },
    )
  })

  it.each([
    ['no executable', {}],
    ['an unknown field', { executable: 'x', memmory: '2GiB' }],
    ['a size without unit', { executable: 'x', memory: 2 }],
    ['an unknown unit', { executable: 'x', memory: '2GX' }],
    ['a time in words', { executable: 'x', wallTime: 'an hour' }],
    ['half a core', { executable: 'x', cores: 0.5 }],
    ['no core', { executable: 'x', cores: { min: 0 } }],
    ['an unknown key of cores', { executable: 'x', cores: { least: 1 } }],
    ['a reserved variable', { executable: 'x', environment: { PILOTAGE_DIR: '/' } }],
    ['arguments as one text', { executable: 'x', arguments: '-l' }],
    ['a priority beyond the bound', { executable: 'x', priority: 10 }],
    ['no job', []],
  ])('refuses %s, as the reader does', (_, job) => {
    expect(accepts(job)).toBe(false)
    expect(() => readJobDocument(JSON.stringify(job))).toThrow()
  })
})
