/**
 * The JSON Schema of the configuration: it accepts and refuses as the service does, and names the keys that are documented.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TSchema } from 'typebox'
import Value from 'typebox/value'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { compileConfig, jsonSchema } from '../../../services/run/configuration.ts'

const schema = JSON.parse(JSON.stringify(jsonSchema())) as TSchema
const root = join(import.meta.dirname, '../../..')

function isServed(document: unknown): boolean {
  try {
    compileConfig(document)
    return true
  } catch {
    return false
  }
}

it.each<[string, unknown, boolean]>([
  ['nothing', {}, true],
  ['a port', { grpc: { port: 7400 } }, true],
  ['a port that is none', { grpc: { port: 70_000 } }, false],
  ['an unknown key', { grpcs: {} }, false],
  ['an unknown key of a driver', { clouds: [{ name: 'a', kind: 'local', local: { delay: '1s' } }] }, false],
  ['an unknown kind', { clouds: [{ name: 'a', kind: 'azure' }] }, false],
  ['a missing name', { clouds: [{ kind: 'local' }] }, false],
  ['a squid', { context: { sites: [{ name: 'here', squid: { count: 0 } }] } }, false],
  ['a list for a mapping', { vm: [] }, false],
])('accepts %s as the service does', (_what, document, expected) => {
  expect([isServed(document), Value.Check(schema, document)]).toEqual([expected, expected])
})

it.each([
  [{ vm: { idleTimeout: '8d' } }, 'vm.idleTimeout', '8d', '0 s to 7 d'],
  [{ vm: { maxLifetime: '59s' } }, 'vm.maxLifetime', '59s', '1 min to 365 d'],
  [{ director: { interval: '100ms' } }, 'director.interval', '100ms', '0.2 s to 10 min'],
  [{ nats: { servers: ['127.0.0.1:4222'], facts: { size: '1KiB' } } }, 'nats.facts.size', '1KiB', '1 MiB to 1 TiB'],
  [{ queue: { maxWaitingPerVo: 0 } }, 'queue.maxWaitingPerVo', '0', 'a whole number from 1 to 1000000000'],
])('refuses %o with its bounds', (document, path, value, accepted) => {
  const violations = [expect.objectContaining({ path, value, rule: 'out of range', accepted })]
  expect(() => compileConfig(document)).toThrow(expect.objectContaining({ violations }))
})

it('accepts the configuration of the composed services', () => {
  expect(Value.Check(schema, parse(readFileSync(join(root, 'docker/pilotage.yaml'), 'utf8')))).toBe(true)
})

type Node = TSchema & {
  readonly properties?: Readonly<Record<string, Node>>
  readonly items?: Node
  readonly anyOf?: readonly Node[]
}

function keysOf({ items, anyOf, properties }: Node, path: string): readonly string[] {
  if (items) return keysOf(items, `${path}[]`)
  const mapping = properties ?? anyOf?.find((one) => one.properties)?.properties ?? {}
  const inside = Object.entries(mapping)
  if (inside.length === 0) return [path]
  return inside.flatMap(([key, value]) => keysOf(value, path === '' ? key : `${path}.${key}`))
}

it('names the keys that are documented', () => {
  const documented = new Set(
    [...readFileSync(join(root, 'docs/configuration.md'), 'utf8').matchAll(/^\| `([^`]+)` \|/gm)].map(([, key = '']) => key),
  )
  const isDocumented = (key: string): boolean => documented.has(key) || documented.has(key.replace(/\[\]$/, ''))
  const undocumented = keysOf(schema, '').filter((key) => !isDocumented(key))
  expect(undocumented).toEqual([])
})
