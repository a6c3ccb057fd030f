/**
 * The user scenario: every operation once against a served installation, as the user whose jobs these are, as another user
 * of the VO, as a user of another VO and as an operator; and every row of the table of actions by a caller whom it is for
 * and by one whom it is not for.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Action, actions } from '../../../core/access/actions.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import { localMachines } from '../../support/local-machines.ts'
import { demoConfig } from '../../../cli/demo/service-config.ts'
import { freePorts } from '../../support/free-ports.ts'
import { newKey } from '../../support/ssh-server.ts'
import { serviceFiles, startServiceProcess } from '../../support/service-process.ts'
import { promised, type Scenario, type Stage } from '../scenario.ts'
import { type CallerName, callerNames, type Callers, openCallers } from './callers.ts'
import { clusterOperations, endorserKey, endorserName } from './cluster-operations.ts'
import { edgeOperations } from './edge-operations.ts'
import { jobOperations } from './job-operations.ts'
import { expectations, type Operation } from './operation.ts'
import { openWorkshop, type Workshop } from './workshop.ts'

const operations: readonly Operation[] = [...jobOperations, ...clusterOperations]

export const user: Scenario = {
  name: 'user',
  about: 'every operation of users and operators, as each kind of caller',
  async run(stage) {
    const { clock, dir } = stage
    const [grpcPort = 0, agentsPort = 0] = await freePorts(2)
    const files = serviceFiles(dir, configIn(dir, grpcPort, agentsPort))
    const service = startServiceProcess(clock, files)
    const server = await service.serving()
    const token = readFileSync(join(files.dataDir, 'admin.token'), 'utf8').trim()
    const callers = await openCallers(clock, dir, server, token)
    const workshop = await openWorkshop(clock, dir, callers)
    const places = service.places()
    const agentsBase = `http://127.0.0.1:${agentsPort}`
    const { vmId, jobs } = workshop
    const inputText = await printedInput(workshop)
    const edges = await edgeOperations({ clock, server, places, agentsBase, callers, vmId, doneJob: jobs.done, inputText })
    const tried = await tryAll(stage, workshop)
    const vmIds = (await callers.admin.client.vms()).map((one) => one.vmId as VmId)
    for (const { client } of Object.values(callers)) client.close()
    const exit = await service.ended('SIGTERM')
    // Their jobs have no end of their own.
    const machines = localMachines(clock, files.dataDir, 'local')
    for (const vmId of vmIds) await machines.crash(vmId).catch(ifGone)
    const wrong = [...tried.wrong, ...edges.wrong]
    const exercised = new Set<Action>([...operations.flatMap(({ actions: of }) => of), ...edges.actions])
    const missing = (Object.keys(actions) as Action[]).filter((action) => !exercised.has(action))
    return {
      figures: {
        operations: operations.length + edges.operations,
        checked: tried.checked + edges.checked,
        refused: tried.refused + edges.refused,
        actions: `${exercised.size}/${Object.keys(actions).length}`,
        wrong: wrong.length,
      },
      shortfalls: [
        ...wrong,
        ...promised(missing.length === 0, `actions that nothing here exercised: ${missing.join(', ')}`),
        ...promised(tried.refused > 0, 'nothing was refused'),
        ...promised(exit === 0, `the service ended with ${exit}`),
      ],
    }
  },
}

/**
 * As the demo's, with VMs that stay, an endorser, and a rack of hosts: for those the service hands out agents and proxies.
 * No job here fits its hosts.
 */
function configIn(dir: string, grpcPort: number, agentsPort: number): object {
  const [endorser, rackKey] = [join(dir, 'endorser.pub'), join(dir, 'rack.key')]
  writeFileSync(endorser, endorserKey.publicPem)
  writeFileSync(rackKey, newKey(), { mode: 0o600 })
  const rack = {
    name: 'rack',
    kind: 'ssh',
    site: 'rack',
    flavors: [{ name: 'tiny', cores: 1, memory: '64MiB' }],
    ssh: { privateKey: { file: rackKey }, hosts: [{ address: '127.0.0.1', flavor: 'tiny' }] },
  }
  return {
    ...demoConfig,
    grpc: { port: grpcPort, advertise: [`127.0.0.1:${grpcPort}`], plaintext: true },
    context: { agents: { port: agentsPort, advertise: [`http://127.0.0.1:${agentsPort}`], node: false } },
    images: { trusted: [{ name: endorserName, file: endorser }] },
    vm: { ...demoConfig.vm, idleTimeout: '10m' },
    clouds: [...demoConfig.clouds, rack],
    health: { port: 0 },
    log: { level: 'info' },
  }
}

type Counts = { readonly checked: number; readonly refused: number; readonly wrong: readonly string[] }

async function tryAll({ say, clock }: Stage, workshop: Workshop): Promise<Counts> {
  let [checked, refused] = [0, 0]
  const wrong: string[] = []
  for (const operation of operations) {
    const beginMs = clock.monotonicMs()
    const expected: Partial<Record<CallerName, string>> = expectations[operation.reach]
    for (const name of callerNames) {
      const wanted = expected[name]
      if (wanted === undefined) continue
      const found = await operation.attempt(workshop, callerOf(workshop.callers, name))
      checked += 1
      if (wanted !== 'ok') refused += 1
      if (found.answer !== wanted) wrong.push(`${operation.name} by ${name}: ${found.answer}, and not ${wanted}`)
      if (found.wrong !== '') wrong.push(`${operation.name} by ${name}: ${found.wrong}`)
    }
    say(`${operation.name}: ${Math.round(clock.monotonicMs() - beginMs)} ms`)
  }
  return { checked, refused, wrong }
}

/** A job of `self` prints the file that was sent with it. */
async function printedInput({ file, callers: { self } }: Workshop): Promise<string> {
  file('words.txt', 'words\n')
  const job = {
    executable: '/bin/cat',
    arguments: ['words.txt'],
    memory: '100MiB',
    disk: '16MiB',
    inputFiles: ['words.txt'],
  }
  const { out } = await self.run(['submit', file('cat.json', JSON.stringify(job)), '--wait', '--json'])
  const jobId = /"jobIds":\[(\d+)\]/.exec(out)?.[1] ?? '0'
  return (await self.run(['output', jobId])).out
}

function ifGone(error: unknown): void {
  if (!(error instanceof PilotageError && error.code === 'cloud-gone')) throw error
}

function callerOf(callers: Callers, name: CallerName): Callers[CallerName] {
  return callers[name]
}
