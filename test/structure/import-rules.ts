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

const useCases = [
  'services/jobs/',
  'services/vms/',
  'services/images/',
  'services/access/',
  'services/sandboxes/',
  'services/accounting/',
  'services/coordination/',
]

/** With which a driver describes its keys. */
const configOfDrivers = ['services/config/fields.ts', 'services/config/flavors.ts', 'services/config/driver-schema.ts']

export const importRules: readonly Rule[] = [
  { name: 'kernel', place: /^core\/kernel\//, ours: ['core/kernel/'], node: 'none' },
  { name: 'model', place: /^core\/model\//, ours: ['core/kernel/', 'core/model/'], node: 'none' },
  { name: 'language', place: /^core\/language\//, ours: ['core/kernel/', 'core/model/', 'core/language/'], node: 'none' },
  {
    name: 'share',
    place: /^core\/share\//,
    ours: ['core/kernel/', 'core/model/', 'core/language/', 'core/share/'],
    node: 'none',
  },
  {
    name: 'access',
    place: /^core\/access\//,
    ours: ['core/kernel/', 'core/model/', 'core/language/', 'core/share/', 'core/access/'],
    node: 'none',
  },
  {
    name: 'plan',
    place: /^core\/plan\//,
    ours: ['core/kernel/', 'core/model/', 'core/language/', 'core/share/', 'core/plan/'],
    node: 'none',
  },
  {
    name: 'accounting',
    place: /^core\/accounting\//,
    ours: ['core/kernel/', 'core/model/', 'core/accounting/'],
    node: 'none',
  },
  { name: 'ports', place: /^core\/ports\//, ours: ['core/kernel/', 'core/model/', 'core/ports/'], node: 'none' },
  { name: 'codec', place: /^proto\/codec\//, ours: ['proto/gen/', 'proto/codec/', 'core/'], node: 'none' },
  { name: 'generated', place: /^proto\/gen\//, ours: ['proto/gen/'], node: 'none' },
  { name: 'generator', place: /^proto\/(?:generate|landed)\.ts$/, ours: [], node: 'any' },
  {
    // They meet in the store and in outcomes. They do no I/O of their own; a digest is no I/O.
    name: 'use case',
    place: /^(services\/(?:jobs|vms|images|access|sandboxes|accounting|coordination)\/)/,
    ours: ['core/', 'services/outcomes/', '$1'],
    node: ['node:crypto'],
  },
  { name: 'outcomes', place: /^services\/outcomes\//, ours: ['core/', 'services/outcomes/'], node: 'none' },
  {
    name: 'matcher and director',
    place: /^(services\/(?:matcher|director)\/)/,
    ours: ['core/', 'services/outcomes/', 'services/coordination/', '$1'],
    node: ['node:crypto'],
  },
  {
    name: 'context',
    place: /^services\/context\//,
    ours: ['core/', 'contextualization/', 'services/context/'],
    node: 'any',
  },
  { name: 'views', place: /^services\/views\//, ours: ['core/', 'services/views/', ...useCases], node: 'none' },
  {
    name: 'gRPC edge',
    place: /^services\/api\/grpc\//,
    ours: ['core/', 'proto/', 'services/views/', 'services/api/grpc/', 'services/matcher/', ...useCases],
    node: 'any',
  },
  {
    name: 'HTTP edge',
    place: /^services\/api\/http\//,
    ours: ['core/', 'services/views/', 'services/api/http/', ...useCases],
    node: 'any',
  },
  {
    name: 'dashboard',
    place: /^services\/dashboard\//,
    ours: ['core/', 'services/views/', 'services/dashboard/', ...useCases],
    node: 'any',
  },
  {
    name: 'cloud driver',
    place: /^(services\/adapters\/cloud\/[^/]+\/)/,
    ours: ['core/', ...configOfDrivers, 'services/adapters/cloud/kit/', '$1'],
    node: 'any',
  },
  {
    name: 'adapter',
    place: /^(services\/adapters\/[^/]+\/[^/]+\/)/,
    ours: ['core/', 'services/adapters/sandbox/kit/', '$1'],
    node: 'any',
  },
  { name: 'archive', place: /^services\/archive\//, ours: ['core/', 'services/archive/'], node: 'any' },
  { name: 'configuration', place: /^services\/config\//, ours: ['core/', 'services/config/'], node: 'any' },
  {
    // Engines and loops without adapters and files: what production, the simulation and the tests share.
    name: 'runtime',
    place: /^services\/run\/(?:runtime|publisher|publish-facts)\.ts$/,
    ours: [
      'core/',
      'services/outcomes/',
      'services/matcher/',
      'services/director/',
      'services/run/publish-facts.ts',
      ...useCases,
    ],
    node: 'none',
  },
  {
    name: 'composition',
    place: /^services\/run\//,
    ours: [
      'core/',
      'services/',
      'contextualization/',
      // What VMs get, and what isolates payloads on this machine: its VMs are processes beside this one.
      'agents/bundle.ts',
      'agents/pilot/isolation/choose.ts',
    ],
    node: 'any',
  },
  { name: 'bundler', place: /^agents\/bundle\.ts$/, ours: ['core/'], node: 'any' },
  { name: 'agent', place: /^(agents\/[^/]+\/)/, ours: ['core/', 'proto/', 'agents/kit/', '$1'], node: 'any' },
  { name: 'client', place: /^client\//, ours: ['core/', 'proto/', 'client/'], node: 'any' },
  { name: 'command', place: /^cli\//, ours: ['core/', 'client/', 'cli/', 'services/run/', 'sim/'], node: 'any' },
  // It runs before anything of ours can be imported.
  { name: 'Node of the lock file', place: /^bin\/link-node\.mjs$/, ours: [], node: 'any' },
  { name: 'program', place: /^bin\//, ours: ['cli/'], node: 'any' },
  { name: 'contextualization', place: /^contextualization\//, ours: ['core/', 'contextualization/'], node: 'any' },
  {
    // The simulation runs the real engines, stores and pilots on a clock of its own.
    name: 'simulation',
    place: /^sim\//,
    ours: [
      'core/',
      'sim/',
      'agents/',
      'proto/',
      'services/run/runtime.ts',
      'services/adapters/',
      // The keys of a simulated site are those of the service's configuration.
      'services/config/',
      'services/context/',
      'services/outcomes/',
      'services/matcher/',
      'services/director/',
      ...useCases,
    ],
    node: 'any',
  },
  {
    name: 'tests',
    place: /^(?:test|bench)\//,
    ours: ['core/', 'proto/', 'services/', 'agents/', 'client/', 'cli/', 'sim/', 'contextualization/', 'test/', 'bench/'],
    node: 'any',
  },
]

type Exception = { readonly from: RegExp; readonly to: RegExp; readonly why: string }

/** What differs from the table, each with its reason. */
export const exceptions: readonly Exception[] = []

/** A package stands under exactly the places named here, besides tests: leaving it means changing those. */
export const packagePlaces: Readonly<Record<string, readonly RegExp[]>> = {
  // An optional dependency, loaded where it is used.
  '@aws-sdk/client-ec2': [/^services\/adapters\/cloud\/ec2\//],
  '@aws-sdk/client-s3': [/^services\/adapters\/sandbox\/s3\//],
  // The generated code, and what works with the descriptors that it is generated from: reflection, and the paths of wrong
  // fields.
  '@bufbuild/protobuf': [/^proto\/gen\//, /^services\/api\/grpc\/(?:descriptors|unsafe-numbers)\.ts$/],
  // The wire has two ends: the edge that serves it, and the client and the agents that call it.
  '@grpc/grpc-js': [/^proto\/gen\//, /^services\/api\/grpc\//, /^client\//, /^agents\/kit\//],
  'grpc-health-check': [/^services\/api\/grpc\//],
  commander: [/^cli\//],
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
  // The schemas of the configuration, those of drivers included.
  typebox: [/^services\/config\//, /^services\/adapters\/cloud\/[^/]+\/config\.ts$/],
  // Three documents of three kinds, each read or written in one place, and the local cloud plays cloud-init.
  undici: [/^services\/adapters\/cloud\/kit\//],
  yaml: [
    /^services\/config\/yaml-file\.ts$/,
    /^client\/job-document\.ts$/,
    /^client\/job-stream\.ts$/,
    /^client\/image-document\.ts$/,
    /^client\/yaml-text\.ts$/,
    /^contextualization\//,
    /^services\/adapters\/cloud\/local\//,
  ],
}

/** What only tests import. */
const testPackages = new Set(['vitest', 'fast-check', 'ssh2', '@grpc/proto-loader', 'ajv', 'rolldown'])

/** What is wrong with an import, or undefined. */
export function broken(path: string, target: Target): string | undefined {
  const rule = importRules.find(({ place }) => place.test(path))
  if (!rule) return `${path} has no rule: say in the structure test what it may import`
  const where = `${path}:${target.line} (${rule.name})`
  const { file, packageName } = target
  if (file !== undefined) {
    if (exceptions.some(({ from, to }) => from.test(path) && to.test(file))) return undefined
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

/** Static imports of what commands load only when asked for: the client's commands and `--help` must stay quick. */
export function eagerImports(files: readonly Pick<SourceFile, 'path' | 'imports'>[]): readonly string[] {
  return files
    .filter(({ path }) => path.startsWith('cli/'))
    .flatMap(({ path, imports }) =>
      imports
        .filter(({ file = '', kind }) => kind === 'value' && /^(?:services|sim)\//.test(file))
        .map(({ file, line }) => `${path}:${line} imports ${file} before a command needs it`),
    )
}

/** The table of docs/architecture.md. */
export function importTable(): string {
  const rows = importRules.map(({ name, place, ours, node }) => {
    const own = folderText(place)
    const named = ours.map((prefix) => (prefix === '$1' ? 'its own folder' : `\`${prefix}\``))
    const modules = typeof node === 'string' ? node : node.join(', ')
    return `| ${name} | \`${own}\` | ${named.length === 0 ? 'nothing of ours' : named.join(', ')} | ${modules} |`
  })
  return ['| Rule | Files | May import | Modules of Node |', '|---|---|---|---|', ...rows].join('\n')
}

/** A rule's place as a path with alternatives in braces. */
function folderText({ source }: RegExp): string {
  return source
    .replaceAll('\\/', '/')
    .replaceAll('[^/]+', '*')
    .replace(/\(\?:([^)]*)\)/g, (_, names: string) => `{${names.replaceAll('|', ',')}}`)
    .replace(/[\^$()\\]/g, '')
}
