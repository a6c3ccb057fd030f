/**
 * `npm run peers:openstack -- up|down DIR`: one OpenStack for several runs, brought up in a directory and taken down again.
 * A run uses it if PILOTAGE_OPENSTACK_STATE names DIR/openstack. If that variable is set already, the OpenStack that it
 * names serves, and neither command does anything.
 *
 * Exit codes: 0 done, 1 it failed or a process is left, 2 wrong usage.
 */

import { resolve } from 'node:path'
import { systemClock } from '../../../core/kernel/clock.ts'
import { commandOf, processesUnder } from '../../support/processes.ts'
import { findPeers, neededPeer } from '../find-peers.ts'
import { lowerOpenStack, openStackIn, raiseOpenStack } from '../openstack-peer.ts'

const [verb, dir, ...others] = process.argv.slice(2)
process.exitCode = await run().catch((thrown: unknown) => {
  console.error(`error: ${thrown instanceof Error ? thrown.message : String(thrown)}`)
  return 1
})

async function run(): Promise<number> {
  if ((verb !== 'up' && verb !== 'down') || dir === undefined || others.length > 0) {
    console.error('usage: npm run peers:openstack -- up|down DIR')
    return 2
  }
  const clock = systemClock()
  const place = neededPeer(findPeers(process.env), 'openstack')
  const state = openStackIn(place, resolve(dir))
  if (verb === 'up') {
    await raiseOpenStack(clock, place, resolve(dir))
    console.log(`openstack: state=${state} result=up`)
    return 0
  }
  await lowerOpenStack(clock, place, resolve(dir))
  const left = place.kind === 'url' ? [] : processesUnder(state)
  for (const seen of left) console.log(`left running: ${commandOf(seen)}`)
  console.log(`openstack: left=${left.length} result=${left.length === 0 ? 'down' : 'FAILED'}`)
  return left.length === 0 ? 0 : 1
}
