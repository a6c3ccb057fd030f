/** An old key is refused with its new name; the new name is one that the configuration has. */

import { expect, it } from 'vitest'
import { PilotageError, type Violation } from '../../../core/kernel/errors.ts'
import { compileConfig } from '../../../services/run/configuration.ts'

function violationsOf(document: object): readonly Violation[] {
  try {
    compileConfig(document)
    return []
  } catch (thrown) {
    if (!(thrown instanceof PilotageError)) throw thrown
    return thrown.violations
  }
}

const cloud = { name: 'a', kind: 'local' }

it.each([
  [{ vm: { beatEvery: '5s' } }, 'vm.beatEvery', 'vm.heartbeatInterval', { vm: { heartbeatInterval: '5s' } }],
  [{ vm: { beatLost: '5m' } }, 'vm.beatLost', 'vm.heartbeatTimeout', { vm: { heartbeatTimeout: '5m' } }],
  [{ vm: { deadMan: '5m' } }, 'vm.deadMan', 'vm.contactTimeout', { vm: { contactTimeout: '5m' } }],
  [{ vm: { boot: '5m' } }, 'vm.boot', 'vm.bootTimeout', { vm: { bootTimeout: '5m' } }],
  [{ vm: { idle: '5m' } }, 'vm.idle', 'vm.idleTimeout', { vm: { idleTimeout: '5m' } }],
  [{ vm: { life: '5d' } }, 'vm.life', 'vm.maxLifetime', { vm: { maxLifetime: '5d' } }],
  [{ vm: { leastLife: '5m' } }, 'vm.leastLife', 'vm.minLifetime', { vm: { minLifetime: '5m' } }],
  [{ director: { every: '5s' } }, 'director.every', 'director.interval', { director: { interval: '5s' } }],
  [
    { clouds: [cloud, { ...cloud, name: 'b', boot: '5m' }] },
    'clouds[1].boot',
    'clouds[1].bootTimeout',
    { clouds: [cloud, { ...cloud, name: 'b', bootTimeout: '5m' }] },
  ],
  [
    { clouds: [{ ...cloud, bootDelay: '5s' }] },
    'clouds[0].bootDelay',
    'clouds[0].local.bootDelay',
    { clouds: [{ ...cloud, local: { bootDelay: '5s' } }] },
  ],
])('%o', (old, path, now, today) => {
  expect(violationsOf(old)).toEqual([expect.objectContaining({ path, rule: 'renamed', accepted: now })])
  expect(violationsOf(today)).toEqual([])
})
