/** What a VM, or a caller that claims to be one, must not do: with keys, with reports, with outputs. */

import {
  ActivateRequest,
  BeatRequest,
  PilotMessage,
  PutOutputRequest,
  type Report,
  Result,
  ServiceMessage,
  VmServiceService,
} from '../../../proto/gen/pilotage/v1/vm.ts'
import { sampleResult } from '../../../sim/samples.ts'
import { type Case, type Refusal, refusalOf, refused } from './case.ts'
import type { World } from './world.ts'

const nonce = 'a nonce of another caller'

function activation(name: string, request: (world: World) => Partial<ActivateRequest>, expected: Partial<Case> = {}): Case {
  return {
    name,
    attempt: (world) => {
      const { vmId, activationKey } = world.first
      const ask = ActivateRequest.fromPartial({ vmId, activationKey, nonce, ...request(world) })
      return refused(world, VmServiceService.activate, [ask], {})
    },
    code: 'unauthenticated',
    text: /^the activation key is not valid$/,
    ...expected,
  }
}

const refusalFact = { emits: 'activation refused' } as const

const activationCases: readonly Case[] = [
  activation('an activation key that was used', () => ({}), refusalFact),
  activation("another VM's activation key", ({ second }) => ({ activationKey: second.activationKey }), refusalFact),
  activation('no activation key', () => ({ activationKey: '' }), refusalFact),
  activation('an activation of a VM that there is not', () => ({ vmId: 'vm-zzzzzzzzzz' })),
  activation('an activation of no VM id', () => ({ vmId: '../../etc' }), { code: 'invalid-argument', text: /^no VM id/ }),
  activation('an activation with a nonce that could be guessed', () => ({ nonce: '1' }), {
    code: 'invalid-argument',
    text: /^the nonce has 16 to 128 characters$/,
  }),
]

/** One message on a stream of the first VM's; a refusal within an answer is given as its code. */
function session(
  name: string,
  message: (world: World) => Partial<PilotMessage>,
  expected: Pick<Case, 'code' | 'text'>,
): Case {
  return {
    name,
    async attempt(world) {
      const ask = PilotMessage.fromPartial(message(world))
      const answer = await world.raw.call(VmServiceService.session, [ask], {
        token: world.first.credential,
        endWhen: (messages) => refusalIn(messages.map((bytes) => ServiceMessage.decode(bytes))) !== undefined,
        withinMs: 5000,
      })
      return (answer.code === 0 ? refusalIn(answer.responses) : undefined) ?? refusalOf(answer)
    },
    ...expected,
  }
}

function refusalIn(messages: readonly ServiceMessage[]): Refusal | undefined {
  const acks = messages.flatMap((message) => message.acks)
  const commands = messages.flatMap((message) => message.commands)
  const said = acks.map(({ refusal }) => refusal)[0] ?? commands.find(({ kind }) => kind === 'stop')?.reason
  return said === undefined ? undefined : { code: said === '' ? 'accepted' : said, text: 'as an answer', violations: [] }
}

const stale = { code: 'stale', text: /^as an answer$/ } as const
const ended = (jobId: number, attempt: number): Report => ({
  startedMs: 1,
  jobId,
  attempt,
  reportId: 1,
  phase: 'ended',
  result: sampleResult(),
})

const sessionCases: readonly Case[] = [
  session("an old attempt's report", ({ jobs }) => ({ reports: [ended(jobs.again, 1)] }), stale),
  session('a report of an attempt that was not yet given', ({ jobs }) => ({ reports: [ended(jobs.again, 3)] }), stale),
  session("a report for another VM's job", ({ jobs }) => ({ reports: [ended(jobs.running, 1)] }), stale),
  session('a report for a job that waits', ({ jobs }) => ({ reports: [ended(jobs.waiting, 0)] }), stale),
  session('a report for a job that has ended', ({ jobs }) => ({ reports: [ended(jobs.done, 1)] }), stale),
  session('a report for a job that there is not', ({ jobs }) => ({ reports: [ended(jobs.unknown, 1)] }), stale),
  session("a renewal of another VM's lease", ({ jobs }) => ({ renew: [{ jobId: jobs.running, attempt: 1 }] }), stale),
  session(
    'a report of a phase that there is not',
    ({ jobs }) => ({ reports: [{ ...ended(jobs.again, 2), phase: 'won' }] }),
    {
      code: 'invalid-argument',
      text: /^a report of phase won$/,
    },
  ),
  session(
    'a report of an end that there is not',
    ({ jobs }) => ({ reports: [{ ...ended(jobs.again, 2), result: Result.fromPartial({ end: 'heroic' }) }] }),
    {
      code: 'invalid-argument',
      text: /^a result that ended as heroic$/,
    },
  ),
  session(
    'a report of an end without a result',
    ({ jobs }) => ({ reports: [{ ...ended(jobs.again, 2), result: undefined }] }),
    {
      code: 'invalid-argument',
      text: /without a result$/,
    },
  ),
  session('a report for job 0', () => ({ reports: [ended(0, 1)] }), { code: 'invalid-argument', text: /not a job id/ }),
]

function output(
  name: string,
  pieces: (world: World) => readonly Partial<PutOutputRequest>[],
  expected: Pick<Case, 'code' | 'text'>,
): Case {
  return {
    name,
    attempt: (world) => {
      const requests = pieces(world).map((piece) => PutOutputRequest.fromPartial(piece))
      return refused(world, VmServiceService.putOutput, requests, { token: world.first.credential })
    },
    ...expected,
  }
}

const forbidden = { code: 'forbidden', text: /^attempt \d+\.\d+ is not held by vm-/ } as const
const data = Buffer.from('forged')
const pieceBytes = 64 * 1024

const outputCases: readonly Case[] = [
  output(
    "an output for another VM's attempt",
    ({ jobs }) => [{ attempt: { jobId: jobs.running, attempt: 1 }, data }],
    forbidden,
  ),
  output('an output for an old attempt', ({ jobs }) => [{ attempt: { jobId: jobs.again, attempt: 1 }, data }], forbidden),
  output(
    'an output for a job that has ended',
    ({ jobs }) => [{ attempt: { jobId: jobs.done, attempt: 1 }, data }],
    forbidden,
  ),
  output(
    'an output for a job that there is not',
    ({ jobs }) => [{ attempt: { jobId: jobs.unknown, attempt: 1 }, data }],
    forbidden,
  ),
  output('an output for no attempt', () => [{ data }], {
    code: 'invalid-argument',
    text: /^the first piece of an output names its attempt$/,
  }),
  output('an output in no piece', () => [], {
    code: 'invalid-argument',
    text: /^the first piece of an output names its attempt$/,
  }),
  output(
    'an output by a name that leads elsewhere',
    ({ jobs }) => [{ attempt: { jobId: jobs.again, attempt: 2 }, name: '../../x', data }],
    {
      code: 'invalid-argument',
      text: /^no output/,
    },
  ),
  output(
    'an output in a piece of more than 64 KiB',
    ({ jobs }) => [{ attempt: { jobId: jobs.again, attempt: 2 }, data: Buffer.alloc(pieceBytes + 1) }],
    {
      code: 'too-large',
      text: /^an output of more than/,
    },
  ),
  output(
    'an output of more than 1 MiB',
    ({ jobs }) =>
      Array.from({ length: 17 }, () => ({ attempt: { jobId: jobs.again, attempt: 2 }, data: Buffer.alloc(pieceBytes) })),
    { code: 'too-large', text: /^an output of more than/ },
  ),
]

/** A user is no VM. */
const userAsVmCases: readonly Case[] = (['session', 'putOutput', 'beat'] as const).map((name) => ({
  name: `a user's token for ${name}`,
  attempt: async ({ raw, tokens }) =>
    refusalOf(await raw.bytes(VmServiceService[name].path, [Buffer.alloc(0)], { token: tokens.admin })),
  code: 'forbidden',
  text: new RegExp(`^${name} is not for this caller$`),
}))

const strangerHeartbeat: Case = {
  name: 'a heartbeat without a credential',
  attempt: (world) => refused(world, VmServiceService.beat, [BeatRequest.fromPartial({ wish: 'stop' })], {}),
  code: 'unauthenticated',
  text: /a bearer token is needed/,
}

export const machineCases: readonly Case[] = [
  ...activationCases,
  ...sessionCases,
  ...outputCases,
  ...userAsVmCases,
  strangerHeartbeat,
]
