/**
 * A cloud of one machine that speaks EC2's language and boots what it is asked for by QEMU: user data as they came, a
 * console, and an instance that is terminated when it powers itself off. Answers just what a driver needs; anything else is
 * an error.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../../core/kernel/clock.ts'

export type VmCloud = {
  readonly url: string
  /** The user data of the machines, oldest first. */
  readonly userData: readonly string[]
  readonly machines: ReadonlyMap<string, Machine>
  stop(): Promise<void>
}

export type Machine = {
  readonly id: string
  readonly token: string
  readonly tags: readonly (readonly [string, string])[]
  readonly launched: string
  readonly console: string
  readonly child: ChildProcess
  state: 'pending' | 'running' | 'shutting-down' | 'terminated'
}

export type VmCloudOptions = {
  readonly clock: Clock
  readonly dir: string
  /** The programs of ../shared/peers/vm, and what build-image has written. */
  readonly boot: string
  readonly image: string
  readonly timeoutSeconds: number
  /** Emulated, each a thread of this machine. */
  readonly cores: number
}

const maxBodyBytes = 256 * 1024

export async function openVmCloud(options: VmCloudOptions): Promise<VmCloud> {
  const machines = new Map<string, Machine>()
  const userData: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (piece: Buffer) => {
      body += piece
      if (body.length > maxBodyBytes) request.destroy()
    })
    request.on('end', () => {
      const { status, text } = answer(options, machines, userData, new URLSearchParams(body))
      response.writeHead(status, { 'content-type': 'text/xml' }).end(text)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    userData,
    machines,
    async stop() {
      const lives = [...machines.values()].filter(({ state }) => state !== 'terminated')
      await Promise.all(lives.map(end))
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

type Answer = { readonly status: number; readonly text: string }

function answer(
  options: VmCloudOptions,
  machines: Map<string, Machine>,
  userData: string[],
  query: URLSearchParams,
): Answer {
  const action = query.get('Action') ?? ''
  const id = query.get('InstanceId') ?? query.get('InstanceId.1') ?? undefined
  const found = id === undefined ? undefined : machines.get(id)
  if (id !== undefined && !found) return refusal('InvalidInstanceID.NotFound', `no instance ${id}`)
  switch (action) {
    case 'RunInstances': {
      const token = query.get('ClientToken') ?? ''
      const known = [...machines.values()].find((one) => one.token === token)
      const machine = known ?? run(options, machines, userData, query, token)
      return said(action, `<reservationId>r-1</reservationId><instancesSet>${instanceXml(machine)}</instancesSet>`)
    }
    case 'DescribeInstances': {
      const some = found ? [found] : [...machines.values()]
      const items = some.map((one) => `<item><instancesSet>${instanceXml(one)}</instancesSet></item>`)
      return said(action, `<reservationSet>${items.join('')}</reservationSet>`)
    }
    case 'TerminateInstances': {
      if (found) void end(found)
      const state = `<currentState><name>${found?.state}</name></currentState>`
      return said(action, `<instancesSet><item><instanceId>${id}</instanceId>${state}</item></instancesSet>`)
    }
    case 'GetConsoleOutput': {
      const text = found ? readFileSync(found.console).subarray(-64_000).toString('base64') : ''
      return said(action, `<instanceId>${id}</instanceId><output>${text}</output>`)
    }
    case 'DescribeImages': {
      const facts = '<imageState>available</imageState><architecture>x86_64</architecture><name>debian</name>'
      const root = '<rootDeviceName>/dev/vda</rootDeviceName><rootDeviceType>ebs</rootDeviceType>'
      return said(action, `<imagesSet><item><imageId>${query.get('ImageId.1')}</imageId>${facts}${root}</item></imagesSet>`)
    }
    case 'DescribeAccountAttributes': {
      const value = '<attributeValueSet><item><attributeValue>2</attributeValue></item></attributeValueSet>'
      const item = `<item><attributeName>max-instances</attributeName>${value}</item>`
      return said(action, `<accountAttributeSet>${item}</accountAttributeSet>`)
    }
    default:
      return refusal('InvalidAction', `this cloud does not know ${action}`)
  }
}

function run(
  { dir, boot, image, timeoutSeconds, clock, cores }: VmCloudOptions,
  machines: Map<string, Machine>,
  userData: string[],
  query: URLSearchParams,
  token: string,
): Machine {
  const id = `i-${String(machines.size + 1).padStart(17, '0')}`
  const own = join(dir, id)
  mkdirSync(own)
  const given = Buffer.from(query.get('UserData') ?? '', 'base64')
  userData.push(given.toString())
  writeFileSync(join(own, 'user-data'), given, { mode: 0o600 })
  const console = join(own, 'console')
  writeFileSync(console, '')
  const files = ['--user-data', join(own, 'user-data'), '--console', console]
  const size = ['--cpus', String(cores), '--memory', '3584', '--timeout', String(timeoutSeconds)]
  const child = spawn(boot, [...files, ...size, image], { cwd: own, stdio: ['ignore', 'ignore', 'inherit'] })
  const launched = new Date(clock.nowMs()).toISOString()
  const machine: Machine = { id, token, tags: tagsIn(query), launched, console, child, state: 'running' }
  child.on('close', () => {
    machine.state = 'terminated'
  })
  machines.set(id, machine)
  return machine
}

async function end(machine: Machine): Promise<void> {
  if (machine.state === 'terminated') return
  machine.state = 'shutting-down'
  const over = new Promise((resolve) => machine.child.once('close', resolve))
  machine.child.kill('SIGTERM')
  await over
}

function tagsIn(query: URLSearchParams): readonly (readonly [string, string])[] {
  const tags: (readonly [string, string])[] = []
  for (let at = 1; query.has(`TagSpecification.1.Tag.${at}.Key`); at += 1) {
    tags.push([query.get(`TagSpecification.1.Tag.${at}.Key`) ?? '', query.get(`TagSpecification.1.Tag.${at}.Value`) ?? ''])
  }
  return tags
}

function instanceXml({ id, tags, launched, state }: Machine): string {
  const tagXml = tags.map(([key, value]) => `<item><key>${key}</key><value>${value}</value></item>`).join('')
  const parts = `<instanceState><name>${state}</name></instanceState><launchTime>${launched}</launchTime>`
  return `<item><instanceId>${id}</instanceId>${parts}<tagSet>${tagXml}</tagSet></item>`
}

function said(action: string, inner: string): Answer {
  return { status: 200, text: `<${action}Response>${inner}<requestId>q</requestId></${action}Response>` }
}

function refusal(code: string, message: string): Answer {
  const error = `<Error><Code>${code}</Code><Message>${message}</Message></Error>`
  return { status: 400, text: `<Response><Errors>${error}</Errors><RequestID>q</RequestID></Response>` }
}
