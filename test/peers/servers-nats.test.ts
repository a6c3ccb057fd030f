import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { describe, expect, it } from 'vitest'
import { isRunning } from '../support/processes.ts'
import { startNats, whyNotOurs } from './servers.ts'

describe('nats-server', () => {
  it('keeps its streams over a kill, on the same port', async (context) => {
    context.skip(whyNotOurs('nats-server') !== undefined, whyNotOurs('nats-server'))
    const nats = await startNats()
    const firstPid = nats.pid
    const name = nats.newPrefix()
    const published = async (): Promise<number> => {
      const connection = await connect({ servers: nats.url })
      try {
        const manager = await jetstreamManager(connection)
        await manager.streams.add({ name, subjects: [`${name}.>`] })
        await jetstream(connection).publish(`${name}.a`, 'one')
        return (await manager.streams.info(name)).state.messages
      } finally {
        await connection.close()
      }
    }
    try {
      expect(await published()).toBe(1)
      await nats.kill()
      expect(isRunning(firstPid)).toBe(false)
      await nats.start()
      expect(nats.pid).not.toBe(firstPid)
      expect(await published()).toBe(2)
      await nats.quit()
      await nats.start()
      expect(await published()).toBe(3)
    } finally {
      await nats.stop()
    }
    expect(isRunning(nats.pid)).toBe(false)
  })
})
