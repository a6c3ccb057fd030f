/** The agents' way to the service does not depend on the environment of the machine. */

import { afterEach, expect, it, vi } from 'vitest'
import { openUplink } from '../../../agents/kit/uplink.ts'
import { systemClock } from '../../../core/kernel/clock.ts'
import { newVmId } from '../../../core/kernel/ids.ts'
import { systemRandom } from '../../../core/kernel/random.ts'
import { freePorts } from '../../support/free-ports.ts'
import { credential, key, startFakeService } from './fake-service.ts'

afterEach(() => vi.unstubAllEnvs())

it.each(['grpc_proxy', 'https_proxy', 'http_proxy'])('leads past a web proxy that %s names', async (name) => {
  const [unusedPort = 0] = await freePorts(1)
  vi.stubEnv(name, `http://127.0.0.1:${unusedPort}`)
  vi.stubEnv('no_proxy', '')
  const service = await startFakeService()
  const uplink = openUplink({ clock: systemClock(), endpoint: `127.0.0.1:${service.port}` })
  try {
    const activation = { vmId: newVmId(systemRandom()), activationKey: key, nonce: 'n'.repeat(32) }
    expect(await uplink.activate(activation)).toMatchObject({ credential })
  } finally {
    uplink.close()
    await service.stop()
  }
})
