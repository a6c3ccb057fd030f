/**
 * What is not typed as a command: the dashboard and its pages, what machines fetch, and the calls of VMs, which no user may
 * make and which the installation's own VMs have made by then.
 */

import { status } from '@grpc/grpc-js'
import type { Action } from '../../../core/access/actions.ts'
import type { Clock } from '../../../core/kernel/clock.ts'
import {
  ActivateRequest,
  BeatRequest,
  FetchInputRequest,
  PilotMessage,
  PutOutputRequest,
  VmServiceService,
} from '../../../proto/gen/pilotage/v1/vm.ts'
import type { Places } from '../../support/service-process.ts'
import { type RawClient, rawClient } from '../../support/raw-call.ts'
import type { Callers } from './callers.ts'

export type EdgeOptions = {
  readonly clock: Clock
  readonly server: string
  readonly places: Places
  /** Where machines fetch the agents. */
  readonly agentsBase: string
  readonly callers: Callers
  readonly vmId: string
  readonly doneJob: number
  /** What a job printed of its input file. */
  readonly inputText: string
}

export type Edges = {
  readonly operations: number
  readonly checked: number
  readonly refused: number
  readonly actions: readonly Action[]
  readonly wrong: readonly string[]
}

/** `refused`: it was to be refused, and was. */
type Checked = { readonly action: Action; readonly what: string; readonly isRight: boolean; readonly refused: boolean }

export async function edgeOperations(options: EdgeOptions): Promise<Edges> {
  const raw = rawClient(options.clock, options.server)
  const all = [...(await pages(options)), ...(await machines(options)), ...(await vmCalls(options, raw))]
  raw.close()
  return {
    operations: new Set(all.map(({ what }) => what)).size,
    checked: all.length,
    refused: all.filter(({ refused }) => refused).length,
    actions: [...new Set(all.map(({ action }) => action))],
    wrong: all.filter(({ isRight }) => !isRight).map(({ action, what }) => `${action}: ${what}`),
  }
}

async function pages({ places, callers }: EdgeOptions): Promise<readonly Checked[]> {
  const base = places.dashboard ?? ''
  const get = (path: string, cookie?: string): Promise<Response> =>
    fetch(`${base}${path}`, { redirect: 'manual', headers: cookie === undefined ? {} : { cookie } })
  const signIn = await get('/sign-in')
  const asset = /\/assets\/[\w.-]+/.exec(await signIn.text())?.[0] ?? '/assets/none'
  const posted = await fetch(`${base}/sign-in`, {
    method: 'POST',
    redirect: 'manual',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: base },
    body: new URLSearchParams({ token: callers.self.token }),
  })
  const session = posted.headers.get('set-cookie')?.split(';')[0]
  const health = await fetch(`http://${places.health}/health`)
  return [
    { action: 'health.read', what: 'GET /health', isRight: health.status === 200, refused: false },
    { action: 'asset.read', what: `GET ${asset}`, isRight: (await get(asset)).status === 200, refused: false },
    { action: 'dashboard.sign-in', what: 'POST /sign-in', isRight: posted.status === 303, refused: false },
    { action: 'dashboard.use', what: 'GET / without a session', isRight: (await get('/')).status === 303, refused: true },
    {
      action: 'dashboard.use',
      what: 'GET /jobs',
      isRight: (await get('/jobs', session)).status === 200,
      refused: false,
    },
    {
      action: 'facts.read',
      what: 'GET / of a user',
      isRight: (await get('/', session)).status === 200,
      refused: false,
    },
  ]
}

async function machines({ agentsBase }: EdgeOptions): Promise<readonly Checked[]> {
  const proxies = await fetch(`${agentsBase}/sites/rack/proxies`)
  const unknown = await fetch(`${agentsBase}/agents/${'0'.repeat(64)}`)
  return [
    { action: 'site-proxies.read', what: 'GET /sites/rack/proxies', isRight: proxies.status === 200, refused: false },
    { action: 'agent-file.read', what: 'GET /agents of no digest', isRight: unknown.status === 404, refused: true },
  ]
}

/** As a user, each is refused; that VMs may is proven by what they have done. */
async function vmCalls(
  { callers: { self, admin }, vmId, doneJob, inputText }: EdgeOptions,
  raw: RawClient,
): Promise<readonly Checked[]> {
  const { session, beat, putOutput, activate, fetchInput } = VmServiceService
  const { token } = self
  const attempt = { jobId: doneJob, attempt: 1 }
  const forged = [
    ['vm.session', await raw.call(session, [PilotMessage.fromPartial({ hello: {} })], { token })],
    ['vm.heartbeat', await raw.call(beat, [BeatRequest.fromPartial({})], { token })],
    ['vm.output', await raw.call(putOutput, [PutOutputRequest.fromPartial({ attempt, name: 'stdout' })], { token })],
    ['vm.input', await raw.call(fetchInput, [FetchInputRequest.fromPartial({ attempt, path: 'words.txt' })], { token })],
  ] as const
  const key = ActivateRequest.fromPartial({ vmId, activationKey: 'a'.repeat(40), nonce: 'n'.repeat(20) })
  const guessed = await raw.call(activate, [key])
  const [vm] = (await admin.client.vms()).filter((one) => one.vmId === vmId)
  const hasOutput = await admin.client.output(doneJob).next()
  const hasInput = inputText === 'words\n'
  const done = { what: 'by the VM itself', refused: false } as const
  return [
    ...forged.map(
      ([action, { code }]): Checked => ({
        action,
        what: `${action} by a user`,
        isRight: code === status.PERMISSION_DENIED,
        refused: true,
      }),
    ),
    {
      action: 'vm.activate',
      what: 'with a guessed key',
      isRight: guessed.code === status.UNAUTHENTICATED || guessed.code === status.FAILED_PRECONDITION,
      refused: true,
    },
    { action: 'vm.activate', ...done, isRight: vm?.state === 'Active' },
    { action: 'vm.session', ...done, isRight: (vm?.leases ?? 0) > 0 },
    { action: 'vm.heartbeat', ...done, isRight: (vm?.beatMs ?? 0) > 0 },
    { action: 'vm.input', ...done, isRight: hasInput },
    { action: 'vm.output', ...done, isRight: hasOutput.done === false },
  ]
}
