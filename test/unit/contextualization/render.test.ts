import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { renderContext, type ContextInput } from '../../../contextualization/render.ts'
import type { AgentConfig } from '../../../core/model/agent-config.ts'
import type { PilotageError } from '../../../core/kernel/errors.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import { userDataBytes } from '../../../core/kernel/limits.ts'
import { noAmounts } from '../../../core/model/resources.ts'

const config: AgentConfig = {
  vmId: 'vm-abcdefgh23' as VmId,
  endpoint: '127.0.0.1:4444',
  activationKey: 'key-of-the-golden-test',
  cloud: 'here',
  site: 'home',
  platform: 'x86_64',
  size: { cores: 2, ...noAmounts, memoryBytes: 4_294_967_296, diskBytes: 10_737_418_240 },
  sizeFrom: 'context',
  policy: {
    idleMs: 300_000,
    leastLifeMs: 0,
    endByMs: 1_800_000_000_000,
    deadManMs: 1_800_000,
    leastDiskFreeBytes: 1_073_741_824,
  },
  powerOff: [],
}

const input: ContextInput = {
  config,
  pilot: { source: 'file:///opt/pilotage/pilot.mjs', sha256: '1'.repeat(64) },
  monitor: { source: 'file:///opt/pilotage/monitor.mjs', sha256: '2'.repeat(64) },
}

it('renders the document as reviewed', () => {
  expect(renderContext(input)).toMatchInlineSnapshot(`
    "#cloud-config
    write_files:
      - path: /etc/pilotage/agent.json
        owner: root:root
        permissions: "0600"
        content: |
          {
            "activationKey": "key-of-the-golden-test",
            "cloud": "here",
            "endpoint": "127.0.0.1:4444",
            "platform": "x86_64",
            "policy": {
              "deadManMs": 1800000,
              "endByMs": 1800000000000,
              "idleMs": 300000,
              "leastDiskFreeBytes": 1073741824,
              "leastLifeMs": 0
            },
            "powerOff": [],
            "site": "home",
            "size": {
              "cores": 2,
              "diskBytes": 10737418240,
              "memoryBytes": 4294967296
            },
            "sizeFrom": "context",
            "vmId": "vm-abcdefgh23"
          }
    runcmd:
      - umask 077
      - mkdir -p "\${PILOTAGE_ROOT:-}/run/pilotage" "\${PILOTAGE_ROOT:-}/var/lib/pilotage" "\${PILOTAGE_ROOT:-}/usr/lib/pilotage" || exit 1
      - cp '/opt/pilotage/pilot.mjs' "\${PILOTAGE_ROOT:-}/usr/lib/pilotage/pilot.mjs" || exit 1
      - printf '%s  %s\\n' 1111111111111111111111111111111111111111111111111111111111111111 "\${PILOTAGE_ROOT:-}/usr/lib/pilotage/pilot.mjs" | sha256sum -c - || exit 1
      - cp '/opt/pilotage/monitor.mjs' "\${PILOTAGE_ROOT:-}/usr/lib/pilotage/monitor.mjs" || exit 1
      - printf '%s  %s\\n' 2222222222222222222222222222222222222222222222222222222222222222 "\${PILOTAGE_ROOT:-}/usr/lib/pilotage/monitor.mjs" | sha256sum -c - || exit 1
      - "# The pilot in the background, then the monitor, which is the machine's life: with its end the machine ends."
      - (left=5; until "\${PILOTAGE_NODE:-node}" "\${PILOTAGE_ROOT:-}/usr/lib/pilotage/pilot.mjs"; do left=$((left-1)); [ $left -gt 0 ] || break; echo "the pilot ended badly, $left more starts"; sleep 2; done) &
      - exec "\${PILOTAGE_NODE:-node}" "\${PILOTAGE_ROOT:-}/usr/lib/pilotage/monitor.mjs"
    "
  `)
})

it('reads back as one private file and plain commands', () => {
  const document = parse(renderContext(input))
  expect(Object.keys(document)).toEqual(['write_files', 'runcmd'])
  expect(document.write_files).toEqual([
    { path: '/etc/pilotage/agent.json', owner: 'root:root', permissions: '0600', content: expect.any(String) },
  ])
  expect(JSON.parse(document.write_files[0].content)).toEqual(config)
  for (const command of document.runcmd) expect(command).toEqual(expect.any(String))
})

it('holds every text of the configuration, whatever it is, and the key once', () => {
  const text = fc.string({ unit: 'binary', maxLength: 40 })
  fc.assert(
    fc.property(text, text, fc.stringMatching(/^[a-z0-9]{24}$/), (site, caPem, activationKey) => {
      const odd = { ...config, site, caPem, activationKey }
      const rendered = renderContext({ ...input, config: odd })
      expect(JSON.parse(parse(rendered).write_files[0].content)).toEqual(odd)
      expect(rendered.split(activationKey)).toHaveLength(2)
      expect(parse(rendered).runcmd).toEqual(parse(renderContext(input)).runcmd)
    }),
    { numRuns: 50 },
  )
})

it('renders equal input equally, however it was put together', () => {
  const turned = (value: unknown): unknown =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(
          Object.entries(value)
            .reverse()
            .map(([key, part]) => [key, turned(part)]),
        )
      : value
  expect(renderContext(turned(input) as ContextInput)).toBe(renderContext(input))
})

it('fits the smallest user data there is, with two certificates too, and refuses what does not', () => {
  const caPem = `-----BEGIN CERTIFICATE-----\n${`${'A'.repeat(64)}\n`.repeat(28)}-----END CERTIFICATE-----\n`
  const rendered = renderContext({ ...input, config: { ...config, caPem: caPem.repeat(2) } })
  expect(Buffer.byteLength(rendered)).toBeLessThan(userDataBytes / 2)
  const refusal = refusalOf({ ...input, config: { ...config, caPem: caPem.repeat(9) } })
  expect(refusal.code).toBe('invalid-argument')
  expect(refusal.message).not.toContain(config.activationKey)
})

it.each([
  ['source', 'https://example.org/pilot.mjs'],
  ['source', 'file://host/pilot.mjs'],
  ['source', 'pilot.mjs'],
  ['source', 'file:///a%0a/pilot.mjs'],
  ['source', 'file:///a%2fb/pilot.mjs'],
  ['source', 'file:///a%zz/pilot.mjs'],
  ['sha256', 'A'.repeat(64)],
  ['sha256', ''],
])('refuses a bundle whose %s is %o, by its path', (field, value) => {
  const refusal = refusalOf({ ...input, pilot: { ...input.pilot, [field]: value } })
  expect(refusal.code).toBe('invalid-argument')
  expect(refusal.violations).toMatchObject([{ path: `pilot.${field}`, value }])
})

it('quotes a path for the shell', () => {
  const rendered = renderContext({ ...input, pilot: { ...input.pilot, source: "file:///it's/$(x)%20y/pilot.mjs" } })
  expect(parse(rendered).runcmd.join('\n')).toContain("cp '/it'\\''s/$(x) y/pilot.mjs' ")
})

function refusalOf(given: ContextInput): PilotageError {
  try {
    renderContext(given)
  } catch (error) {
    return error as PilotageError
  }
  throw new Error('it must be refused')
}
