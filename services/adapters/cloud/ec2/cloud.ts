/**
 * EC2, and clouds that speak its language, behind the cloud port. Holds no policy and no knowledge of its own beyond some
 * minutes: what is ours the tags say, and EC2 says the rest.
 *
 * Every call ends within its time, whatever EC2 does. What bears other marks is never touched.
 */

import { PilotageError } from '../../../../core/kernel/errors.ts'
import type { VmId } from '../../../../core/kernel/ids.ts'
import { cloudCallMs } from '../../../../core/kernel/limits.ts'
import type { Cloud } from '../../../../core/ports/cloud.ts'
import type { CloudVm } from '../../../../core/model/cloud.ts'
import { consoleTail } from '../kit/console-tail.ts'
import { createOnce } from '../kit/create-once.ts'
import { createInstance } from './create.ts'
import { isGone, theirCode } from './errors.ts'
import { failedStarts } from './failed-starts.ts'
import { findImages } from './look-up.ts'
import { asCloudVm, findInstance, instancesOf, liveStates } from './instances.ts'
import { filtersOf, ours } from './marks.ts'
import type { Ec2Options } from './options.ts'
import { quotaOf } from './quota.ts'
import { openSession, type Sdk, type Session } from './session.ts'

export type Ec2Cloud = Cloud & { close(): void }

/** Of a call that makes something: the rest is for looking whether it did. */
const askingShare = 0.7

/** Throws `invalid-argument` where the SDK is not installed. */
export async function openEc2Cloud(options: Ec2Options, load?: () => Promise<Sdk>): Promise<Ec2Cloud> {
  const session = await openSession(options, load)
  const images = findImages(session, options)
  const { callMs = cloudCallMs } = options
  const signalIn = (share = 1): AbortSignal => AbortSignal.timeout(Math.round(callMs * share))
  const creating = createOnce<{ readonly ref: string }>()
  const open = new Map<VmId, string>()
  const starts = failedStarts(session, options)

  return {
    name: options.name,
    create: (order) =>
      creating.run(order.vmId, () => {
        const creation = { session, images, options, open, signal: signalIn(), askSignal: signalIn(askingShare) }
        return createInstance(creation, order).then((made) => {
          starts.watch(made.ref)
          return made
        })
      }),
    async list() {
      const signal = signalIn()
      return starts.with(await list(session, options, signal), signal)
    },
    destroy(ref) {
      starts.forget(ref)
      return destroy(session, options, ref, signalIn())
    },
    consoleLog: (ref) => consoleLog(session, ref, signalIn()),
    quota: () => quotaOf(session, options, 'asking for the quota', signalIn()),
    close: () => session.close(),
  }
}

async function list(session: Session, options: Ec2Options, signal: AbortSignal): Promise<readonly CloudVm[]> {
  const vms: CloudVm[] = []
  const Filters = [...filtersOf(options), { Name: 'instance-state-name', Values: liveStates }]
  for await (const instance of instancesOf(session, { Filters }, 'listing', signal)) {
    const vm = asCloudVm(options, instance)
    if (vm) vms.push(vm)
  }
  return vms
}

async function destroy(session: Session, options: Ec2Options, ref: string, signal: AbortSignal): Promise<'gone' | 'going'> {
  const doing = `destroying ${ref.slice(0, 64)}`
  const instance = await findInstance(session, ref, doing, signal)
  const state = instance?.State?.Name
  if (!instance || state === 'terminated') return 'gone'
  if (ours(options, instance.Tags) === undefined) {
    throw new PilotageError('cloud-refused', `${doing} on ${options.name}: it bears other marks than ours`)
  }
  if (state === 'shutting-down') return 'going'
  const { sdk } = session
  try {
    const { TerminatingInstances } = await session.call(doing, signal, (client, abortSignal) =>
      client.send(new sdk.TerminateInstancesCommand({ InstanceIds: [ref] }), { abortSignal }),
    )
    return TerminatingInstances?.[0]?.CurrentState?.Name === 'terminated' ? 'gone' : 'going'
  } catch (thrown) {
    if (isGone(thrown)) return 'gone'
    throw thrown
  }
}

const aboutLatest = new Set([
  'InvalidParameterCombination',
  'InvalidParameterValue',
  'UnknownParameter',
  'UnsupportedOperation',
])

/** The latest where the machine's kind allows it; otherwise what EC2 kept of the start. */
async function consoleLog(session: Session, ref: string, signal: AbortSignal): Promise<string> {
  const { sdk } = session
  const read = async (latest: boolean): Promise<string> => {
    const input = { InstanceId: ref, ...(latest ? { Latest: true } : {}) }
    const { Output = '' } = await session.call('reading a console', signal, (client, abortSignal) =>
      client.send(new sdk.GetConsoleOutputCommand(input), { abortSignal }),
    )
    return consoleTail(Buffer.from(Output, 'base64'))
  }
  try {
    return await read(true).catch((thrown: unknown) => {
      if (aboutLatest.has(theirCode(thrown))) return read(false)
      throw thrown
    })
  } catch (thrown) {
    if (isGone(thrown)) return ''
    throw thrown
  }
}
