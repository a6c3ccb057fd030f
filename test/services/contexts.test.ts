import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { agentPaths } from '../../core/context.ts'
import type { Offering } from '../../core/cloud.ts'
import { compileConfig } from '../../services/config.ts'
import { machineDocument } from '../../services/contexts.ts'
import { config as agent } from '../contextualization/samples.ts'

const config = compileConfig({
  context: {
    agents: { advertise: ['http://pilotage.example.org:7402'] },
    sites: [{ name: 'far', proxies: ['http://old.example.org:3128'], squid: { clients: ['192.0.2.0/24'] } }],
    vos: [{ name: 'lhcb', packages: ['of-the-vo'], cvmfs: ['lhcb.cern.ch'] }],
    images: [{ name: 'el9', packages: ['of-the-image'] }],
  },
  clouds: [
    {
      name: 'far',
      kind: 'ec2',
      site: 'far',
      flavors: [{ name: 'f', cores: 2, memory: '4GiB' }],
      images: [{ name: 'el9' }],
      ec2: { region: 'eu-west-1', accessKeyId: { env: 'ID' }, secretAccessKey: { env: 'KEY' } },
    },
  ],
})
const offering = config.clouds[0]?.offerings[0] as Offering
const program = { path: '/nowhere', sha256: 'a'.repeat(64) }

type Document = { readonly write_files: readonly { readonly path: string; readonly content: string }[] }

const told = (of: Offering): ReadonlyMap<string, string> => {
  const sources = {
    context: config.context,
    agents: { pilot: program, monitor: program },
    texts: new Map(),
    bases: ['http://pilotage.example.org:7402'],
    squids: ['http://10.0.0.7:3128'],
  }
  const document = parse(machineDocument(agent, of, sources)) as Document
  return new Map(document.write_files.map(({ path, content }) => [path, content]))
}
const all = (files: ReadonlyMap<string, string>): string => [...files].flat().join('\n')

describe('what a machine is told', () => {
  it('of its site: the proxies that are configured, then the squids that serve', () => {
    const text = all(told(offering))
    expect(text).toContain('http://old.example.org:3128')
    expect(text).toContain('http://10.0.0.7:3128')
    expect(text).toContain('of-the-vo')
  })

  it('as a squid: whom it serves and what its image needs, and nothing of jobs', () => {
    const files = told({ ...offering, service: 'squid' })
    const text = all(files)
    expect(JSON.parse(files.get(agentPaths.config) ?? '')).toMatchObject({ service: { kind: 'squid', port: 3128 } })
    expect(text).toContain('acl clients src 192.0.2.0/24')
    expect(text).toContain('of-the-image')
    for (const absent of ['of-the-vo', 'cvmfs', 'pilot.cjs', '10.0.0.7']) expect(text).not.toContain(absent)
  })
})
