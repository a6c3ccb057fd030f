/**
 * grpcurl without .proto files: it lists and describes everything that the port serves, makes a template of every request,
 * and calls every method. What it can do, it knows by reflection alone.
 */

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { JobServiceService } from '../../proto/gen/pilotage/v1/job.ts'
import { OperateServiceService } from '../../proto/gen/pilotage/v1/operate.ts'
import { VmServiceService } from '../../proto/gen/pilotage/v1/vm.ts'

const callMs = 30_000
/** grpcurl's exit code for a refusal of the server is this and the code of the refusal. */
const refusedBase = 64
/** INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED: what an empty request is refused with. */
const refusals = [3, 5, 7].map((code) => refusedBase + code)

const ownMethods = [JobServiceService, VmServiceService, OperateServiceService].flatMap((service) =>
  Object.values(service).map(({ path }) => path.slice(1)),
)

type Said = { readonly code: number; readonly text: string }

/** Whether all checks hold. */
export function tryGrpcurl(program: string, server: string, tokenPath: string): boolean {
  const header = `authorization: bearer ${readFileSync(tokenPath, 'utf8').trim()}`
  const grpcurl = (options: readonly string[], ...words: readonly string[]): Said => {
    const args = ['-plaintext', '-max-time', '20', '-H', header, ...options, server, ...words]
    const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', timeout: callMs })
    return { code: status ?? -1, text: `${stdout}${stderr}` }
  }
  const checks: Readonly<Record<string, () => string>> = {
    lists: () => listed(grpcurl),
    describes: () => described(grpcurl),
    calls: () => called(grpcurl),
    submits: () => submitted(grpcurl),
    'is refused': () => refused(grpcurl),
  }
  return Object.entries(checks)
    .map(([name, check]) => {
      try {
        console.log(`ok  ${name}  ${check()}`)
        return true
      } catch (error) {
        console.log(`FAILED  ${name}  ${error instanceof Error ? error.message : error}`)
        return false
      }
    })
    .every(Boolean)
}

type Grpcurl = (options: readonly string[], ...words: readonly string[]) => Said

function ok({ code, text }: Said): string {
  if (code !== 0) throw new Error(`exit code ${code}: ${text}`)
  return text
}

function servicesOf(grpcurl: Grpcurl): readonly string[] {
  return ok(grpcurl([], 'list')).trim().split('\n')
}

function listed(grpcurl: Grpcurl): string {
  const services = servicesOf(grpcurl)
  const methods = services.flatMap((service) =>
    ok(grpcurl([], 'list', service))
      .trim()
      .split('\n'),
  )
  const missing = ownMethods.filter((path) => !methods.includes(path.replace('/', '.')))
  if (missing.length > 0) throw new Error(`not listed: ${missing.join(', ')}`)
  if (!services.includes('grpc.health.v1.Health')) throw new Error('health is not listed')
  return `${services.length} services, ${methods.length} methods`
}

/** Every service, every method, and the messages of each with a template of the request. */
function described(grpcurl: Grpcurl): string {
  const messages = new Set<string>()
  for (const service of servicesOf(grpcurl)) {
    const text = ok(grpcurl([], 'describe', service))
    for (const [, name = ''] of text.matchAll(/\( (?:stream )?\.([\w.]+) \)/g)) messages.add(name)
  }
  for (const message of messages) ok(grpcurl(['-msg-template'], 'describe', message))
  const spec = ok(grpcurl([], 'describe', 'pilotage.v1.JobSpec'))
  for (const text of ['map<string, string> environment', 'uint32 max_attempts', 'What a user submits.']) {
    if (!spec.includes(text)) throw new Error(`JobSpec lacks ${text}: ${spec}`)
  }
  return `${messages.size} messages`
}

/** An empty request reaches the method: the answer, or the refusal, is the service's own. */
function called(grpcurl: Grpcurl): string {
  for (const path of [...ownMethods, 'grpc.health.v1.Health/Check']) {
    const { code, text } = grpcurl(['-d', '{}'], path)
    if (code !== 0 && !refusals.includes(code)) throw new Error(`${path}: exit code ${code}: ${text}`)
  }
  return `${ownMethods.length} methods and health`
}

function submitted(grpcurl: Grpcurl): string {
  const job = { executable: 'true', environment: { A: '1' }, requirements: { memory_bytes: '1073741824' } }
  const request = JSON.stringify({ jobs: [job, job, job] })
  const { jobIds } = JSON.parse(ok(grpcurl(['-d', request], 'pilotage.v1.JobService/SubmitJobs'))) as { jobIds: string[] }
  const list = JSON.stringify({ job_ids: jobIds, page_size: 2 })
  const page = JSON.parse(ok(grpcurl(['-d', list], 'pilotage.v1.JobService/ListJobs'))) as {
    jobs: { state: string }[]
    nextPageToken: string
  }
  if (page.jobs.length !== 2 || page.nextPageToken === '') throw new Error(JSON.stringify(page))
  return `${jobIds.length} jobs, ${page.jobs.map(({ state }) => state).join(', ')}`
}

/** The details are messages that it knows by reflection as well. */
function refused(grpcurl: Grpcurl): string {
  const request = JSON.stringify({ jobs: [{ executable: 'true', max_attempts: 99 }] })
  const { code, text } = grpcurl(['-d', request], 'pilotage.v1.JobService/SubmitJobs')
  if (code !== refusedBase + 3) throw new Error(`exit code ${code}: ${text}`)
  for (const part of ['google.rpc.BadRequest', 'jobs[0].max_attempts', 'google.rpc.ErrorInfo', 'invalid-argument']) {
    if (!text.includes(part)) throw new Error(`no ${part} in: ${text}`)
  }
  return 'jobs[0].max_attempts'
}
