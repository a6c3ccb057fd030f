import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { pinoLog } from '../../../services/adapters/log/pino/pino-log.ts'

const directory = mkdtempSync(join(tmpdir(), 'pilotage-log-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

it('writes lines that no terminal acts on and that parse to what was logged', () => {
  const file = join(directory, 'log')
  const name = 'a\u001b[2J\u009b\u202e\n\u2028b\u007f'
  const log = pinoLog('info', file)
  log.info({ name }, name)
  log.with({ part: name }).warn({ err: new Error(name) }, 'again')
  const text = readFileSync(file, 'utf8')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what must not reach a terminal
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e\u2028]/)
  const [first = '', second = ''] = text.trimEnd().split('\n')
  expect(JSON.parse(first)).toMatchObject({ name, msg: name })
  expect(JSON.parse(second)).toMatchObject({ part: name, err: { message: name } })
})

it('strikes out what carries a secret by its name', () => {
  const file = join(directory, 'secret')
  pinoLog('info', file).info({ token: 'hush', call: { password: 'hush' } }, 'called')
  expect(readFileSync(file, 'utf8')).not.toContain('hush')
})

it('changes its level for everything that was derived from it', () => {
  const file = join(directory, 'levels')
  const log = pinoLog('info', file)
  const derived = log.with({ part: 'one' }).with({ deeper: true })
  derived.debug({}, 'not yet')
  log.setLevel('debug')
  derived.debug({}, 'now')
  log.setLevel('error')
  derived.warn({}, 'no more')
  derived.error({}, 'always')
  const written = readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).msg)
  expect(written).toEqual(['now', 'always'])
})
