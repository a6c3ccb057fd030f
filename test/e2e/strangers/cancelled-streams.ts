/**
 * One user and one VM whose clients go away: 500 cancelled calls of each streaming method, at whatever moment. What the
 * service opened for them is closed again: main.ts counts /proc/PID/fd.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep, until } from '../../../core/kernel/clock.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import { joseTokens } from '../../../services/adapters/tokens/jose/jose-tokens.ts'
import { GetOutputRequest, OutputName, SubmitJobsRequest, WatchJobsRequest } from '../../../proto/gen/pilotage/v1/job.ts'
import { PilotMessage, PutOutputRequest } from '../../../proto/gen/pilotage/v1/vm.ts'
import { allEnded, shellJob } from '../latency-jobs.ts'
import { connectUser } from '../../support/service-process.ts'
import type { Flood, Ground } from './flood.ts'
import { framed, openConnection } from './raw-http2.ts'

type Given = { readonly user: string; readonly vm: string; readonly jobId: number }

const callsEach = 500
const outputBytes = 900_000

export const cancelledStreams: Flood<Given> = {
  name: 'cancelled-streams',
  about: '500 cancelled calls of each streaming method',
  prepare: async (ground) => {
    const user = await connectUser(ground.admin, 'flood', 'canceller')
    const script = `head -c ${outputBytes} /dev/zero; : > "$0"`
    const { jobIds } = await user.submit([shellJob('output', script, join(ground.stage.dir, 'output'))])
    await allEnded(user, jobIds, 'the job with output')
    user.close()
    return { user: await ground.tokenOf('canceller'), vm: await credentialOfVm(ground), jobId: jobIds[0] ?? 0 }
  },
  async run({ grpc, clock, random, signal }, { user, vm, jobId }) {
    const message = {
      GetOutput: framed(Buffer.from(GetOutputRequest.encode({ jobId, attempt: 0, name: OutputName.STDOUT }).finish())),
      WatchJobs: framed(Buffer.from(WatchJobsRequest.encode({ jobIds: [jobId] }).finish())),
      SubmitJobStream: framed(Buffer.from(SubmitJobsRequest.encode({ jobs: [], idempotencyKey: '' }).finish())),
      Session: framed(Buffer.from(PilotMessage.encode(PilotMessage.fromPartial({})).finish())),
      PutOutput: framed(
        Buffer.from(
          PutOutputRequest.encode(
            PutOutputRequest.fromPartial({ attempt: { jobId, attempt: 1 }, name: 'stdout', totalBytes: 10 }),
          ).finish(),
        ),
      ),
    }
    const counts: Record<string, number> = {}
    for (const [method, bytes] of Object.entries(message)) {
      const isVm = method === 'Session' || method === 'PutOutput'
      const path = `/pilotage.v1.${isVm ? 'VmService' : 'JobService'}/${method}` as const
      const authorization = `Bearer ${isVm ? vm : user}`
      for (let done = 0; done < callsEach && !signal.aborted; ) {
        const connection = await openConnection(clock, grpc)
        if (!connection) break
        // Nothing of the answer is read: the service fills the window and waits.
        const send = method === 'GetOutput' || method === 'WatchJobs' ? connection.ask : connection.pour
        const streams = Array.from({ length: 10 }, () => send(path, bytes, { authorization }))
        await sleep(clock, 5 + random.next() * 60)
        for (const stream of streams) stream.close(8)
        done += streams.length
        counts[method] = done
        await sleep(clock, 5)
        connection.close()
      }
    }
    return counts
  },
}

/** As the scenario owns the installation's key, it can be any VM. */
async function credentialOfVm(ground: Ground): Promise<string> {
  const {
    stage: { clock },
    dataDir,
  } = ground
  const vmId = (await activeVmOf(ground)) as VmId
  const name = readFileSync(join(dataDir, 'installation'), 'utf8').trim()
  const tokens = await joseTokens(readFileSync(join(dataDir, 'signing-key.json'), 'utf8'), name, clock)
  return tokens.issue({ kind: 'vm', vmId }, clock.nowMs() + 3_600_000)
}

/** A VM that is up; there is none before there is a job for it. */
export async function activeVmOf({ stage: { clock, dir }, admin }: Ground): Promise<string> {
  const user = await connectUser(admin, 'flood', 'starter')
  const { jobIds } = await user.submit([shellJob('start', ': > "$0"', join(dir, 'started'))])
  await allEnded(user, jobIds, 'the job that makes a VM start')
  user.close()
  let vmId = ''
  const isThere = async (): Promise<boolean> => {
    vmId = (await admin.vms()).find(({ state }) => state === 'Active')?.vmId ?? ''
    return vmId !== ''
  }
  await until(clock, isThere, { withinMs: 30_000, everyMs: 200 })
  return vmId
}
