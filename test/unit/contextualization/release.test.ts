/** A machine that is only lent: what is refused there, how ours leaves again, and that nothing switches it off. */

import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { accountsFor } from '../../../contextualization/bootstrap.ts'
import { machineContext, plainScript } from '../../../contextualization/machine.ts'
import type { MachineOrder } from '../../../contextualization/order.ts'
import { hostPaths, type AgentConfig } from '../../../core/model/agent-config.ts'

const digest = 'a'.repeat(64)
const program = { urls: ['http://center:7402/agents/x'], sha256: digest }
const config = {
  vmId: 'vm-example222',
  endpoint: 'center:7400',
  activationKey: 'the-key',
  payloadAccounts: accountsFor(4),
} as unknown as AgentConfig
const order: MachineOrder = {
  config,
  pilot: program,
  monitor: program,
  proxies: [],
  proxiesUrls: [],
  isDirectAllowed: true,
  isLent: true,
  extras: { packages: [], files: [], commands: [] },
}

function syntaxOf(script: string): string {
  return spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' }).stderr
}

describe('a machine that is lent', () => {
  const { files, script, before = [] } = machineContext(order)

  it('is never switched off, neither by a script nor by systemd', () => {
    const all = [...files.map(({ content }) => content), script, ...before].join('\n')
    expect(all).not.toMatch(/poweroff|shutdown|halt\b/)
    expect(all).not.toContain('/dev/console')
    expect(machineContext({ ...order, isLent: false }).script).toContain('systemctl poweroff')
  })

  it('gets the way back before anything else, and is refused where something of that name was there', () => {
    expect(files[0]?.path).toBe(hostPaths.release)
    const text = plainScript(machineContext(order))
    expect(syntaxOf(text)).toBe('')
    expect(text.indexOf('is there, and not ours to remove')).toBeLessThan(text.indexOf(hostPaths.release))
    expect(text).toMatch(/for path in [^;]*\/var\/lib\/pilotage\b/)
    expect(before.join('\n')).toContain(`seq 61000 ${61_000 + accountsFor(4).count}`)
  })

  it('gets directories that accounts which are not root can pass', () => {
    const made = plainScript(machineContext(order)).match(/^.*mkdir -p '.*$/gm) ?? []
    expect(made.length).toBeGreaterThan(3)
    for (const line of made) expect(line).toMatch(/^\(umask 022; mkdir -p '[^']+'\)$/)
  })

  it('stops the pilot with the monitor’s good end, and when the monitor cannot stay up', () => {
    const monitor = files.find(({ path }) => path.endsWith('/pilotage-monitor.service'))?.content
    expect(monitor).toMatch(
      /ExecStopPost=\+.*\[ \$SERVICE_RESULT != success \] \|\| systemctl --no-block stop pilotage-pilot/,
    )
    expect(monitor).toContain('OnFailure=pilotage-over.service')
    expect(files.map(({ path }) => path)).toContain('/etc/systemd/system/pilotage-over.service')
  })

  it('is cleared of every unit and path that the context brings', () => {
    const [release] = files
    expect(syntaxOf(release?.content ?? '')).toBe('')
    for (const { path } of files.slice(1)) {
      const name = path.split('/').at(-1) ?? ''
      const isCovered = path.startsWith('/etc/pilotage/') || release?.content.includes(name)
      expect([path, isCovered]).toEqual([path, true])
    }
  })
})
