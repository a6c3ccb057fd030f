/**
 * Every kind of document that the service renders for machines: each cloud with each of the things that a configuration can
 * add or leave out, by the configuration itself, the way that the director goes.
 */

import type { CloudConfig } from '../../../services/config/clouds.ts'
import { compileConfig } from '../../../services/run/configuration.ts'
import type { Config } from '../../../services/config/document.ts'
import { exampleVm } from '../../../services/context/size-check.ts'
import type { AgentFiles } from '../../../services/context/sources.ts'
import { contextFiles, vmContext } from '../../../services/context/vm-context.ts'
import { contextSources } from '../../../services/run/context-sources.ts'

export type Rendered = { readonly name: string; readonly text: string }

const choices = ['node', 'cvmfs', 'proxies', 'extras', 'own', 'squid'] as const
type Choice = (typeof choices)[number]

const password = { password: { env: 'WORD' } }
const kinds = {
  openstack: { authUrl: 'https://keystone.example.org:5000/v3', user: 'pilot', project: 'vo', ...password },
  opennebula: { endpoint: 'https://one.example.org/RPC2', user: 'grid', ...password },
  ec2: { region: 'eu-west-1', accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'WORD' } },
} as const

/** Of files that the configuration names; the text is each time one that a YAML or a shell could stumble over. */
const texts: Readonly<Record<string, string>> = {
  'own.yaml':
    "#cloud-config\nntp: {enabled: true}\nruncmd:\n  - [echo, \"it's: #1\"]\nwrite_files:\n  - {path: /etc/own, content: 'x: y'}\n",
  'a-file': 'first: no\n\ttab\n# "quoted" \\ and: more\n---\n\nlast without an end',
}

export const agentFiles: AgentFiles = {
  pilot: { path: '/pilot', sha256: '1'.repeat(64) },
  monitor: { path: '/monitor', sha256: '2'.repeat(64) },
}
const nodes = [
  { path: '/node', sha256: '3'.repeat(64), platform: 'linux-x64' },
  { path: '/node-arm', sha256: '4'.repeat(64), platform: 'linux-arm64' },
] as const

/** `own`: what stands in for the operator's own document. */
export function everyDocument(own: string = texts['own.yaml'] ?? ''): readonly Rendered[] {
  const sets = Array.from({ length: 2 ** choices.length }, (_, at) => choices.filter((_one, bit) => at & (1 << bit)))
  const machines = Object.entries(kinds).flatMap(([kind, keys]) => sets.map((set) => machine(kind, keys, set, own)))
  return [...machines, local()]
}

function machine(kind: string, keys: object, set: readonly Choice[], own: string): Rendered {
  const has = (choice: Choice): boolean => set.includes(choice)
  const extras = { packages: ['jq', 'git'], files: [{ path: '/etc/added', from: 'a-file' }], commands: ['echo "a: b"'] }
  const config = compileConfig(
    {
      grpc: { plaintext: true, host: '0.0.0.0', advertise: ['pilotage.example.org:7400'] },
      context: {
        agents: { advertise: ['http://pilotage.example.org:7402', 'http://pilotage-2.example.org:7402'] },
        sites: has('proxies')
          ? [
              {
                name: 'here',
                proxies: ['http://a:3128', 'http://b:3128'],
                fallbackProxies: ['http://c:3128'],
                direct: false,
              },
            ]
          : [],
        vos: [{ name: 'lhcb', cvmfs: has('cvmfs') ? ['lhcb.cern.ch'] : [], ...(has('extras') ? extras : {}) }],
        images: [
          {
            name: 'el9',
            ...(has('extras') ? extras : {}),
            ...(has('cvmfs') ? { cvmfsParameters: [{ name: 'CVMFS_TIMEOUT', value: '5' }] } : {}),
            ...(has('own') ? { cloudConfig: 'own.yaml' } : {}),
          },
        ],
      },
      clouds: [cloudOf(kind, keys)],
    },
    '/',
  )
  const [cloud] = config.clouds
  const [offering] = cloud?.offerings ?? []
  if (!cloud || !offering) throw new Error(`${kind} has no offering`)
  const squids = has('proxies') ? ['http://10.0.0.9:3128'] : []
  const sources = contextSources({
    config,
    agents: has('node') ? { ...agentFiles, nodes } : agentFiles,
    texts: new Map(
      contextFiles(config.context).map(({ file }) => [file, file === '/own.yaml' ? own : (texts[file.slice(1)] ?? '')]),
    ),
    ...{ caPem, dataDir: '/data', endpoint: config.grpc.advertise.join() },
    bases: config.context.agents.advertise,
  })
  const wanted = has('squid') ? { ...offering, service: 'squid' as const } : offering
  const { text } = vmContext({ vm: exampleVm(2e12), offering: wanted, squids }, sources)
  return { name: [kind, ...set].join(' '), text }
}

const caPem = `-----BEGIN CERTIFICATE-----\n${`${'A'.repeat(64)}\n`.repeat(20)}-----END CERTIFICATE-----\n`

function cloudOf(kind: string, keys: object): object {
  const flavors = [
    { name: 'small', cores: 2, memory: '4GiB', disk: '20GiB', ref: kind === 'opennebula' ? undefined : 'name:s' },
  ]
  return { name: kind, kind, site: 'here', flavors, images: [{ name: 'el9' }], [kind]: keys }
}

function local(): Rendered {
  const config: Config = compileConfig({})
  const [cloud] = config.clouds as readonly [CloudConfig]
  const [offering] = cloud.offerings
  if (!offering) throw new Error('the local cloud has no offering')
  const place = {
    texts: new Map<string, string>(),
    caPem: undefined,
    dataDir: '/data',
    endpoint: '127.0.0.1:7400',
    bases: [],
  }
  const sources = contextSources({ config, agents: agentFiles, ...place })
  return { name: cloud.name, text: vmContext({ vm: exampleVm(2e12), offering, squids: [] }, sources).text }
}
