import { describe, expect, it } from 'vitest'
import { functionsOf } from './functions.ts'
import { broken, eagerImports } from './import-rules.ts'
import { importsOf, isBarrel, linesWith, readSource } from './source-text.ts'
import { findCycle, resolved } from './tree.ts'

function codeOf(text: string): string {
  return readSource(text).code
}

function specifiersOf(text: string): readonly string[] {
  return importsOf(readSource(text)).map(({ specifier, kind }) => `${kind} ${specifier}`)
}

describe('code and comments', () => {
  it('are separated, each in its place', () => {
    const text = 'const a = 1 // setTimeout\n/* b */ const c = 2'
    const { code, comments } = readSource(text)
    expect(code).toBe('const a = 1              \n        const c = 2')
    expect(comments).toBe('            // setTimeout\n/* b */            ')
  })

  it.each([
    ["'Date.now()'", "'          '"],
    ['"it\\"s {"', '"       "'],
    ['`a \u0024{b + `c \u0024{d}`} e`', '`  \u0024{b + `  \u0024{d}`}  `'],
    ['`\u0024{{ a: 1 }.a} }`', '`\u0024{{ a: 1 }.a}  `'],
    ['a.split(/[/\'"]{2}/)', 'a.split(/        /)'],
    ['a / b / c', 'a / b / c'],
    ['return /x{/', 'return /  /'],
    ["'//' + b", "'  ' + b"],
  ])('%s keeps only its code', (text, expected) => {
    expect(codeOf(text)).toBe(expected)
  })

  it('counts lines from one', () => {
    expect(linesWith(codeOf("'x'\n\nx()\nx()"), /\bx\b/)).toEqual([3, 4])
  })
})

describe('imports', () => {
  it.each([
    ["import { a } from './a.ts'", ['value ./a.ts']],
    ["import type { A } from './a.ts'", ['type ./a.ts']],
    ["import { type A } from './a.ts'", ['value ./a.ts']],
    ["import {\n  a,\n  b,\n} from '@x/y'", ['value @x/y']],
    ["export { a } from './a.ts'\nexport type * from './b.ts'", ['value ./a.ts', 'type ./b.ts']],
    ["import './a.ts'", ['value ./a.ts']],
    ["const a = await import('./a.ts')", ['dynamic ./a.ts']],
    ["new Worker(new URL('./worker.ts', import.meta.url))", ['dynamic ./worker.ts']],
    ["new URL('http://a')", []],
    ["// import { a } from './a.ts'\nconst b = \"import './c.ts'\"", []],
    ["export const from = 'a'\nexport const b = 'c'", []],
  ])('%j', (text, expected) => {
    expect(specifiersOf(text)).toEqual(expected)
  })

  it('lead to a file or to a package', () => {
    expect(resolved('cli/demo/run.ts', '../../core/model/job.ts')).toEqual({ file: 'core/model/job.ts' })
    expect(resolved('a.ts', '@grpc/grpc-js/build/x.js')).toEqual({ packageName: '@grpc/grpc-js' })
    expect(resolved('a.ts', 'yaml/util')).toEqual({ packageName: 'yaml' })
    expect(resolved('a.ts', 'node:fs/promises')).toEqual({ packageName: 'node:fs/promises' })
  })
})

describe('the import table refuses', () => {
  const file = (path: string, target: string): string | undefined => broken(path, { file: target, kind: 'type', line: 1 })
  const vendor = (path: string, packageName: string): string | undefined =>
    broken(path, { packageName, kind: 'value', line: 1 })

  it.each([
    ['core/model/job.ts', 'services/config/document.ts'],
    ['core/model/job.ts', 'proto/codec/pilot.ts'],
    ['proto/codec/pilot.ts', 'services/jobs/submit.ts'],
    ['services/jobs/submit.ts', 'services/director/director.ts'],
    ['services/director/director.ts', 'services/adapters/cloud/local/cloud.ts'],
    ['services/matcher/pilot-stream.ts', 'proto/codec/pilot.ts'],
    ['services/api/grpc/edge.ts', 'services/dashboard/authenticator.ts'],
    ['services/dashboard/authenticator.ts', 'services/adapters/tokens/jose/jose-tokens.ts'],
    ['services/adapters/store/sqlite/jobs.ts', 'services/adapters/sandbox/files/file-sandbox.ts'],
    ['services/adapters/store/sqlite/jobs.ts', 'services/jobs/submit.ts'],
    ['services/run/runtime.ts', 'services/adapters/store/sqlite/sqlite-store.ts'],
    ['services/jobs/submit.ts', 'services/vms/activate.ts'],
    ['services/matcher/pilot-stream.ts', 'services/jobs/submit.ts'],
    ['core/model/job.ts', 'core/plan/fleet.ts'],
    ['core/ports/store.ts', 'core/language/rules.ts'],
    ['services/dashboard/authenticator.ts', 'services/matcher/matcher.ts'],
    ['agents/pilot/pilot.ts', 'agents/monitor/policy.ts'],
    ['agents/kit/uplink.ts', 'agents/pilot/pilot.ts'],
    ['agents/kit/uplink.ts', 'services/config/document.ts'],
    ['client/calls.ts', 'services/run/compose.ts'],
    ['client/calls.ts', 'agents/kit/uplink.ts'],
    ['bin/pilotage.ts', 'core/kernel/clock.ts'],
    ['bin/pilotage.ts', 'services/run/compose.ts'],
    ['cli/commands/facts.ts', 'services/adapters/bus/nats/fact-reader.ts'],
    ['cli/commands/store.ts', 'services/archive/export.ts'],
    ['cli/commands/jobs.ts', 'proto/gen/pilotage/v1/job.ts'],
    ['contextualization/render.ts', 'services/config/document.ts'],
    ['core/model/job.ts', 'sim/samples.ts'],
    ['elsewhere/a.ts', 'core/model/job.ts'],
  ])('%s -> %s', (path, target) => {
    expect(file(path, target)).toBeDefined()
  })

  it.each([
    ['core/model/job.ts', 'yaml'],
    ['core/model/job.ts', 'node:fs'],
    ['services/jobs/submit.ts', 'node:fs'],
    ['services/jobs/submit.ts', 'pino'],
    ['services/dashboard/authenticator.ts', '@grpc/grpc-js'],
    ['services/adapters/log/pino/pino-log.ts', 'jose'],
    ['services/adapters/bus/local/local-bus.ts', 'node:sqlite'],
    ['client/calls.ts', 'left-pad'],
    ['client/calls.ts', 'vitest'],
    ['client/calls.ts', 'node:process'],
    ['sim/main.ts', 'left-pad'],
  ])('%s -> %s', (path, packageName) => {
    expect(vendor(path, packageName)).toBeDefined()
  })

  it('services that a command imports before it runs', () => {
    const imports = (kind: 'value' | 'type' | 'dynamic') => [{ file: 'services/run/serve.ts', kind, line: 1 }]
    expect(eagerImports([{ path: 'cli/commands/serve.ts', imports: imports('value') }])).toHaveLength(1)
    expect(eagerImports([{ path: 'cli/commands/serve.ts', imports: imports('dynamic') }])).toEqual([])
    expect(eagerImports([{ path: 'cli/commands/serve.ts', imports: imports('type') }])).toEqual([])
  })

  it('nothing that it allows', () => {
    expect(file('services/jobs/submit.ts', 'core/model/job.ts')).toBeUndefined()
    expect(file('services/jobs/submit.ts', 'services/jobs/ports.ts')).toBeUndefined()
    expect(file('services/api/grpc/edge.ts', 'services/jobs/submit.ts')).toBeUndefined()
    expect(file('bin/pilotage.ts', 'cli/process.ts')).toBeUndefined()
    expect(vendor('services/jobs/submit.ts', 'node:crypto')).toBeUndefined()
    expect(vendor('agents/kit/uplink.ts', '@grpc/grpc-js')).toBeUndefined()
    expect(vendor('test/unit/core/job.test.ts', 'vitest')).toBeUndefined()
  })
})

describe('circles', () => {
  const files = (...edges: readonly (readonly [string, string, 'value' | 'type'])[]) =>
    [...new Set([...edges.map(([from]) => from), ...edges.map(([, to]) => to)])].map((path) => ({
      path,
      imports: edges.filter(([from]) => from === path).map(([, file, kind]) => ({ file, kind, line: 1 })),
    }))

  it('are found through others', () => {
    expect(findCycle(files(['a', 'b', 'value'], ['b', 'c', 'value'], ['c', 'b', 'value']))).toEqual(['b', 'c', 'b'])
  })

  it('are found where only a type comes back', () => {
    expect(findCycle(files(['a', 'b', 'value'], ['b', 'a', 'type']))).toEqual(['a', 'b', 'a'])
  })

  it('are none where two ways lead to one', () => {
    expect(
      findCycle(files(['a', 'b', 'value'], ['a', 'c', 'value'], ['b', 'd', 'value'], ['c', 'd', 'value'])),
    ).toBeUndefined()
  })
})

describe('barrels', () => {
  it.each([
    ["export { a } from './a.ts'\nexport * from './b.ts'\n", true],
    ["import { a } from './a.ts'\nexport { a }\n", true],
    ["/** Says more. */\nexport type { A } from './a.ts'\n", true],
    ["export { a } from './a.ts'\nexport const b = 1\n", false],
    ["import './a.ts'\nrun()\n", false],
  ])('%j: %s', (text, expected) => {
    expect(isBarrel(readSource(text))).toBe(expected)
  })
})

describe('functions', () => {
  const sizes = (text: string): readonly string[] => functionsOf(codeOf(text)).map(({ name, lines }) => `${name} ${lines}`)

  it.each([
    ['function a() {\n  b()\n}', ['a 3']],
    ['export async function* a<T>(\n  b: T,\n): AsyncIterable<T> {\n  yield b\n}', ['a 5']],
    ['function a(): { b: number } | undefined {\n  return\n}', ['a 3']],
    ['function a(b: { c: number }): b is { c: 1 } {\n  return true\n}', ['a 3']],
    ['function a(b: string): void\nfunction a(b: unknown) {\n}', ['a 2']],
    ["function a() {\n  return '}'\n  // }\n}", ['a 4']],
    ['const a = (b) => {\n  c()\n}', ['a 3']],
    ['const a = async (\n  b,\n): Promise<void> => {\n  c()\n}', ['a 5']],
    ['const a = (b) =>\n  b\n    .c()\n    .d()\nconst e = 1', ['a 4']],
    ['const a = { b(c) {\n  d()\n}, e: 1 }', ['b 3']],
    ['if (a) {\n  b()\n}\nfor (;;) {\n}\nc(d)\n{\n}', []],
    ['const a = b ? c(d) : { e: 1 }', []],
    ['describe("x", () => {\n  a()\n})', ['anonymous 3']],
    ['function a() {\n  const b = () => {\n    c()\n  }\n}', ['a 5', 'b 3']],
  ])('%j', (text, expected) => {
    expect(sizes(text)).toEqual(expected)
  })
})
