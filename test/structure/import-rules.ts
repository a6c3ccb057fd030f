/**
 * Who may import what: docs/architecture.md's table as data, and the question whether one import keeps to it.
 *
 * The first rule whose place matches a file is the file's rule. Type-only imports are bound as well: a type that comes from
 * the wrong place draws its meaning from there. Tests and benchmarks may import anything of ours.
 */

import type { SourceFile, Target } from './tree.ts'

type Rule = {
  readonly name: string
  /** The files that it is for; a group that is captured stands for `$1` in `ours`. */
  readonly place: RegExp
  /** Beginnings of paths that may be imported. */
  readonly ours: readonly string[]
  /** Which of Node's own modules: pure code reads no disk, no socket and no clock. */
  readonly node: 'none' | 'any' | readonly string[]
}

export const importRules: readonly Rule[] = [
  { name: 'core', place: /^core\//, ours: ['core/'], node: 'none' },
  { name: 'codec', place: /^proto\/codec\.ts$/, ours: ['proto/gen/', 'core/'], node: 'none' },
  { name: 'generated', place: /^proto\/gen\//, ours: ['proto/gen/'], node: 'none' },
  { name: 'generator', place: /^proto\/generate\.ts$/, ours: [], node: 'any' },
  // Engines do no I/O of their own; a digest is no I/O.
  { name: 'engine', place: /^(services\/(?:queue|director|images)\/)/, ours: ['core/', '$1'], node: ['node:crypto'] },
  {
    name: 'edge',
    place: /^(services\/(?:api|dashboard)\/)/,
    ours: ['core/', 'services/queue/', 'services/director/', 'services/images/', 'proto/', '$1'],
    node: 'any',
  },
  {
    name: 'cloud driver',
    place: /^(services\/adapters\/cloud\/[^/]+\/)/,
    ours: ['core/', 'services/adapters/cloud/kit/', '$1'],
    node: 'any',
  },
  { name: 'adapter', place: /^(services\/adapters\/[^/]+\/[^/]+\/)/, ours: ['core/', '$1'], node: 'any' },
  {
    name: 'runtime',
    place: /^services\/(?:runtime|publisher)\.ts$/,
    ours: ['core/', 'services/queue/', 'services/director/', 'services/images/'],
    node: 'none',
  },
  {
    name: 'composition',
    place: /^services\/(?:main|ports|contexts|nats-access|mongo-access|facts-command|store-command|context-command)\.ts$/,
    ours: ['core/', 'services/', 'contextualization/', 'agents/bundle.ts'],
    node: 'any',
  },
  {
    // The local cloud's VMs are on this machine: what isolates their payloads is tried by the same code.
    name: 'local isolation',
    place: /^services\/local-isolation\.ts$/,
    ours: ['core/', 'services/config', 'services/installation.ts', 'agents/pilot/isolation/choose.ts'],
    node: 'any',
  },
  { name: 'archive', place: /^services\/archive\//, ours: ['core/', 'services/archive/'], node: 'any' },
  { name: 'configuration', place: /^services\/config[^/]*\.ts$/, ours: ['core/', 'services/config'], node: 'any' },
  { name: 'installation', place: /^services\/[^/]+\.ts$/, ours: ['core/', 'services/config-fields.ts'], node: 'any' },
  { name: 'bundler', place: /^agents\/bundle\.ts$/, ours: ['core/'], node: 'any' },
  { name: 'agent', place: /^(agents\/[^/]+\/)/, ours: ['core/', 'proto/', 'agents/kit/', '$1'], node: 'any' },
  { name: 'client', place: /^client\//, ours: ['core/', 'proto/', 'client/'], node: 'any' },
  // It runs before anything of ours can be imported.
  { name: 'Node of the lock file', place: /^bin\/link-node\.mjs$/, ours: [], node: 'any' },
  {
    name: 'command',
    place: /^bin\//,
    ours: [
      'client/main.ts',
      'services/main.ts',
      'services/facts-command.ts',
      'services/store-command.ts',
      'services/context-command.ts',
    ],
    node: 'none',
  },
  { name: 'contextualization', place: /^contextualization\//, ours: ['core/', 'contextualization/'], node: 'any' },
  {
    name: 'tests',
    place: /^(?:test|bench)\//,
    ours: ['core/', 'proto/', 'services/', 'agents/', 'client/', 'contextualization/', 'test/', 'bench/'],
    node: 'any',
  },
]

/** A package stands under exactly the places named here, besides tests: leaving it means changing those. */
export const packagePlaces: Readonly<Record<string, readonly RegExp[]>> = {
  // An optional dependency, loaded where it is used.
  '@aws-sdk/client-ec2': [/^services\/adapters\/cloud\/ec2\//],
  '@bufbuild/protobuf': [/^proto\/gen\//],
  // The wire has two ends: the edge that serves it, and the client and the agents that call it.
  '@grpc/grpc-js': [/^proto\/gen\//, /^services\/api\//, /^client\//, /^agents\/kit\//],
  '@grpc/proto-loader': [/^services\/api\//],
  '@grpc/reflection': [/^services\/api\//],
  'grpc-health-check': [/^services\/api\//],
  commander: [/^client\/commands\//],
  esbuild: [/^agents\/bundle\.ts$/],
  'fast-xml-parser': [/^services\/adapters\/cloud\/opennebula\//],
  fastify: [/^services\/dashboard\//],
  jose: [/^services\/adapters\/tokens\/jose\//],
  mongodb: [/^services\/adapters\/store\/mongo\//],
  'node-ssh': [/^services\/adapters\/cloud\/ssh\//],
  '@nats-io/transport-node': [/^services\/adapters\/bus\/nats\//],
  '@nats-io/jetstream': [/^services\/adapters\/bus\/nats\//],
  'node:sqlite': [/^services\/adapters\/store\/sqlite\//],
  pino: [/^services\/adapters\/log\/pino\//],
  // Three documents of three kinds, each read or written in one place, and the local cloud plays cloud-init.
  undici: [/^services\/adapters\/cloud\/kit\//],
  yaml: [
    /^services\/config\.ts$/,
    /^client\/job-document\.ts$/,
    /^client\/job-stream\.ts$/,
    /^client\/image-document\.ts$/,
    /^contextualization\//,
    /^services\/adapters\/cloud\/local\//,
  ],
}

/** What only tests import. */
const testPackages = new Set(['vitest', 'fast-check', 'ssh2'])

/** What is wrong with an import, or undefined. */
export function broken(path: string, target: Target): string | undefined {
  const rule = importRules.find(({ place }) => place.test(path))
  if (!rule) return `${path} has no rule: say in the structure test what it may import`
  const where = `${path}:${target.line} (${rule.name})`
  const { file, packageName } = target
  if (file !== undefined) {
    const own = rule.place.exec(path)?.[1] ?? ''
    const isFree = rule.name === 'tests' && /^(?:vitest\.config|package\.json)/.test(file)
    const isAllowed = isFree || rule.ours.some((prefix) => file.startsWith(prefix.replace('$1', own)))
    return isAllowed ? undefined : `${where} imports ${file}`
  }
  if (packageName === undefined) return `${where} imports nothing that can be found`
  const isTest = rule.name === 'tests'
  if (isTest && (testPackages.has(packageName) || packageName in packagePlaces)) return undefined
  const places = packagePlaces[packageName]
  if (places) return places.some((place) => place.test(path)) ? undefined : `${where} imports the package ${packageName}`
  if (!packageName.startsWith('node:')) return `${where} imports the package ${packageName}, which has no place`
  if (packageName === 'node:process') return `${where} imports ${packageName}: the process is global, and read in few places`
  const isNodeAllowed = rule.node === 'any' || (rule.node !== 'none' && rule.node.includes(packageName))
  return isNodeAllowed ? undefined : `${where} imports ${packageName}`
}

export function brokenImports(files: readonly Pick<SourceFile, 'path' | 'imports'>[]): readonly string[] {
  return files.flatMap(({ path, imports }) => imports.flatMap((target) => broken(path, target) ?? []))
}
