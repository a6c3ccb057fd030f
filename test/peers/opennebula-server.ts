/**
 * A server that stands in for the OpenNebula whose answers were recorded. Everything that it answers comes out of a
 * recording, with this world's ids, names and times in it; what the real one refused it refuses, with the recorded words.
 *
 * A request whose like was never recorded has no answer here: it is written down in `strange`, the connection is cut, and
 * the harness fails the test. So nothing passes here if the real one's answer is unknown.
 */

import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Clock } from '../../core/kernel/clock.ts'
import {
  type Call,
  documentIn,
  readCall,
  readRecordings,
  type Recordings,
  withDocument,
  withElement,
  withId,
  withWords,
} from './opennebula-recordings.ts'
import { type Attribute, readTemplate } from './opennebula-template.ts'
import { type Life, openWorld, type World, type WorldVm } from './opennebula-world.ts'

export type Limits = {
  readonly vms?: number
  readonly cpu?: number
  readonly memoryMb?: number
  readonly systemDiskMb?: number
  /** Of the recorded network and the recorded image. */
  readonly leases?: number
  readonly runningVms?: number
}

export type OpenNebulaServer = {
  readonly url: string
  /** The recorded user that a driver is. */
  readonly user: string
  readonly password: string
  readonly world: World
  /** What was asked, in order, without sessions. */
  readonly calls: readonly Call[]
  /** Each should not be. */
  readonly strange: string[]
  setLimits(limits: Limits): void
  /** Of the next order: an answer that no recording has, with the code and the words of another version's. */
  setRefusal(code: number, words: string): void
  /** Whether the account may use the recorded templates. */
  showTemplates(isShown: boolean): void
  /** Of the VM that is made next. */
  setLife(life: Life): void
  /** From now on, of every call of the method: what the network does to the answer, the deed being done. */
  trouble(method: string, kind: 'lost' | 'cut' | 'silent' | 'none'): void
  close(): Promise<void>
}

type Trouble = 'lost' | 'cut' | 'silent'

const stepMs = 100

function strangeness(what: string): Error {
  return new Error(`never recorded: ${what}`)
}

export async function openNebulaServer(folder: string, clock: Clock): Promise<OpenNebulaServer> {
  const recordings = readRecordings(folder)
  const world = openWorld(recordings, clock, stepMs)
  const calls: Call[] = []
  const strange: string[] = []
  const troubles = new Map<string, Trouble>()
  const oned = openOned(recordings, world)

  async function answer(request: IncomingMessage): Promise<{ raw: string; trouble?: Trouble }> {
    if (request.method === 'GET') return { raw: recordings.http('204') }
    if (request.method !== 'POST') throw strangeness(`${request.method}`)
    if (request.url !== '/RPC2') return { raw: recordings.http('205') }
    if (request.headers['content-length'] === undefined) return { raw: recordings.http('201') }
    if (!/^(?:text|application)\/xml(?:; charset=utf-8)?$/.test(request.headers['content-type'] ?? '')) {
      throw strangeness(`content type ${request.headers['content-type']}`)
    }
    const call = readCall(await textOf(request))
    if (call) calls.push({ ...call, parameters: call.parameters.slice(1) })
    const body = call ? oned.answer(call) : recordings.answer('008')
    return { raw: whole(recordings.http('199'), body), trouble: call && (troubles.get(call.method) ?? troubles.get('*')) }
  }

  const server = createServer((request) => {
    const { socket } = request
    socket.on('error', () => {})
    answer(request).then(
      ({ raw, trouble }) => {
        if (trouble === 'silent') return
        if (trouble === 'lost') socket.destroy()
        else if (trouble === 'cut') socket.end(raw.slice(0, raw.length - 300))
        // The real one closes every connection after its answer.
        else socket.end(raw)
      },
      (thrown: unknown) => {
        strange.push(thrown instanceof Error ? thrown.message : String(thrown))
        socket.destroy()
      },
    )
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const [user = '', password = ''] = (recordings.request('025').parameters[0]?.text ?? '').split(':')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/RPC2`,
    user,
    password,
    world,
    calls,
    strange,
    setLimits: oned.setLimits,
    setRefusal: oned.setRefusal,
    showTemplates: oned.showTemplates,
    setLife: oned.setLife,
    trouble(method, kind) {
      if (kind === 'none') troubles.delete(method)
      else troubles.set(method, kind)
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of request) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString()
}

/** The recorded headers around another body. */
function whole(recorded: string, body: string): string {
  const [headers = ''] = recorded.split('\r\n\r\n')
  return `${headers.replace(/Content-length: \d+/, `Content-length: ${Buffer.byteLength(body)}`)}\r\n\r\n${body}`
}

type Oned = { answer(call: Call): string } & Pick<OpenNebulaServer, 'setLimits' | 'setRefusal' | 'showTemplates' | 'setLife'>

function openOned(recordings: Recordings, world: World): Oned {
  let limits: Limits = {}
  let life: Life = 'up'
  let written: string | undefined
  let hasTemplates = true
  const sessions = new Set(['025', '012'].map((number) => recordings.request(number).parameters[0]?.text))

  const methods: Readonly<Record<string, (parameters: readonly string[]) => string>> = {
    'one.vmpool.info': () => {
      const alive = [...world.vms.values()].filter((vm) => world.stateOf(vm) !== '6/0')
      return pool('092', alive, false)
    },
    'one.vmpool.infoset': ([ids = '', isWhole]) => {
      if (ids === '') return recordings.answer('037')
      if (!/^\d+(?:,\d+)*$/.test(ids)) return recordings.answer('036')
      // Unknown ones are left out, ended ones are not.
      const asked = new Set(ids.split(',').map(Number))
      const found = [...world.vms.values()].filter(({ id }) => asked.has(id))
      return pool('034', found, isWhole === '1')
    },
    'one.templatepool.info': () => {
      const recorded = recordings.answer('019')
      return hasTemplates ? recorded : withDocument(recorded, '<VMTEMPLATE_POOL></VMTEMPLATE_POOL>')
    },
    'one.imagepool.info': () => recordings.answer('020'),
    'one.user.info': () => userInfo(recordings, world, limits),
    'one.template.instantiate': ([id = '', name = '', , text = '']) => {
      if (id !== '0') return withWords(withNumber(recordings.answer('084'), id), [/\[9999\]/, `[${id}]`])
      const attributes = readTemplate(text)
      if (!attributes) return withWords(recordings.answer('079'), [/^\[.*?\]/, '[one.template.instantiate]'])
      const said = written
      written = undefined
      if (said !== undefined) return said
      const refused = refusal(recordings, attributes) ?? overLimit(recordings, world, attributes, limits)
      if (refused !== undefined) return refused
      const made = world.add(vmOf(name, attributes), life)
      life = 'up'
      return withId(recordings.answer('025'), made.id)
    },
    'one.vm.action': ([action, id = '']) => {
      if (action !== 'terminate-hard') throw strangeness(`action ${action}`)
      const vm = world.vms.get(Number(id))
      if (!vm) return withWords(withNumber(recordings.answer('102'), id), [/\[9999\]/, `[${id}]`])
      const state = stateNames[world.stateOf(vm)] ?? ''
      if (world.terminate(vm)) return withId(recordings.answer('110'), vm.id)
      return withWords(recordings.answer('136'), [/VM 4/, `VM ${id}`], [/PROLOG/, state])
    },
  }

  function pool(number: string, vms: readonly WorldVm[], isWhole: boolean): string {
    const bodies = vms.toSorted((a, b) => b.id - a.id).map((vm) => world.body(vm, isWhole))
    return withDocument(recordings.answer(number), `<VM_POOL>${bodies.join('')}</VM_POOL>`)
  }

  return {
    answer(call) {
      const refused = callRefusal(recordings, call)
      if (refused !== undefined) return refused
      const [session, ...parameters] = call.parameters.map(({ text }) => text)
      if (!sessions.has(session)) return withWords(recordings.answer('002'), [/one\.vmpool\.info/, call.method])
      const method = methods[call.method]
      if (!method) throw strangeness(`${call.method} has no place in this world`)
      demandLike(recordings, call)
      return method(parameters)
    },
    setLimits(given) {
      limits = given
    },
    setRefusal(code, words) {
      // The form is the recorded one of an order that names an image which is not there.
      const named = withWords(recordings.answer('081'), [/^.*$/s, `[one.template.instantiate] ${words}`])
      written = named.replace('<i4>8192</i4>', `<i4>${code}</i4>`)
    },
    showTemplates(isShown) {
      hasTemplates = isShown
    },
    setLife(given) {
      life = given
    },
  }
}

/** Those in which nothing can end a VM; the message names them. */
const stateNames: Readonly<Record<string, string>> = { '3/0': 'LCM_INIT', '3/1': 'PROLOG', '3/2': 'BOOT', '3/11': 'EPILOG' }

/** What is no call: the faults that were recorded. */
function callRefusal(recordings: Recordings, { method, parameters }: Call): string | undefined {
  const like = recordings.callsOf(method)
  const [first] = like
  if (!first) throw strangeness(`${method}`)
  const minLength = Math.min(...like.map((call) => call.parameters.length))
  if (parameters.length < minLength) return recordings.answer('006')
  const isInteger = (at: number): boolean => like.every((call) => call.parameters[at]?.kind === 'int')
  const wrong = parameters.findIndex(({ kind, text }, at) => isInteger(at) && (kind !== 'int' || !/^-?\d{1,10}$/.test(text)))
  return wrong < 0 ? undefined : recordings.answer('007')
}

/** The kinds must be those of a recorded call, and where a value changes what is meant, the values as well. */
function demandLike(recordings: Recordings, call: Call): void {
  const kinds = (one: Call): string => one.parameters.map(({ kind }) => kind).join(' ')
  const meaning = (one: Call): string => [...(meaningful[one.method] ?? [])].map((at) => one.parameters[at]?.text).join(' ')
  const like = recordings.callsOf(call.method).some((one) => kinds(one) === kinds(call) && meaning(one) === meaning(call))
  if (!like) throw strangeness(`${call.method} (${kinds(call)}) with ${meaning(call)}`)
}

/** By their places: whose and which VMs, whether whole, whether on hold, whether a copy, which action. */
const meaningful: Readonly<Record<string, readonly number[]>> = {
  'one.vmpool.info': [1, 2, 3, 4],
  'one.vmpool.infoset': [2],
  'one.templatepool.info': [1, 2, 3],
  'one.imagepool.info': [1, 2, 3],
  'one.user.info': [1],
  'one.template.instantiate': [3, 5],
  'one.vm.action': [1],
}

/** Attributes of vectors that were recorded in an order; single ones of any other name end up in USER_TEMPLATE. */
const vectors: Readonly<Record<string, readonly string[]>> = {
  DISK: ['IMAGE_ID', 'IMAGE', 'IMAGE_UNAME'],
  NIC: ['NETWORK_ID', 'NETWORK', 'NETWORK_UNAME', 'MAC'],
}

function refusal(recordings: Recordings, attributes: readonly Attribute[]): string | undefined {
  for (const { name, value } of attributes) {
    if (typeof value === 'string') continue
    if (name === 'CONTEXT') {
      if (value.has('FILES')) return restricted(recordings, name)
      continue
    }
    const strangers = [...value.keys()].filter((key) => !vectors[name]?.includes(key))
    if (strangers.length > 0) throw strangeness(`${name}/${strangers.join()} in an order`)
    if (value.has('MAC')) return restricted(recordings, name)
    const image = value.get('IMAGE_ID') ?? '0'
    if (image !== '0') {
      return withWords(recordings.answer('081'), [/^\[.*?\]/, '[one.template.instantiate]'], [/9999/, image])
    }
  }
  return undefined
}

function restricted(recordings: Recordings, name: string): string {
  return withWords(recordings.answer('085'), [/attribute NIC/, `attribute ${name}`])
}

function singleOf(attributes: readonly Attribute[], wanted: string, otherwise: string): string {
  const found = attributes.find(({ name }) => name === wanted)?.value
  return typeof found === 'string' ? found : otherwise
}

/** What the recorded template has where the order says nothing. */
function vmOf(name: string, attributes: readonly Attribute[]): Omit<WorldVm, 'id' | 'bornMs'> {
  const isOwn = (one: string): boolean => !['CPU', 'VCPU', 'MEMORY'].includes(one)
  const own = attributes.flatMap(({ name: one, value }) => (typeof value === 'string' && isOwn(one) ? [[one, value]] : []))
  const context = attributes.find((one) => one.name === 'CONTEXT')?.value
  return {
    name,
    attributes: new Map(own.sort().map(([one = '', value = '']) => [one, value])),
    context: context instanceof Map ? context : new Map([['NETWORK', 'YES']]),
    cpu: singleOf(attributes, 'CPU', '1'),
    vcpu: singleOf(attributes, 'VCPU', '2'),
    memoryMb: singleOf(attributes, 'MEMORY', '512'),
  }
}

type Usage = { readonly vms: number; readonly cpu: number; readonly memoryMb: number }

function usage(world: World): Usage {
  const alive = [...world.vms.values()].filter((vm) => world.stateOf(vm) !== '6/0')
  const sum = (values: readonly string[]): number => values.reduce((total, value) => total + Number(value), 0)
  return { vms: alive.length, cpu: sum(alive.map(({ cpu }) => cpu)), memoryMb: sum(alive.map(({ memoryMb }) => memoryMb)) }
}

function overLimit(
  recordings: Recordings,
  world: World,
  attributes: readonly Attribute[],
  limits: Limits,
): string | undefined {
  const { vms, cpu, memoryMb } = usage(world)
  const wanted = [
    ['VMS', vms + 1, limits.vms],
    ['CPU', cpu + Number(singleOf(attributes, 'CPU', '1')), limits.cpu],
    ['MEMORY', memoryMb + Number(singleOf(attributes, 'MEMORY', '512')), limits.memoryMb],
  ] as const
  const over = wanted.find(([, sum, limit]) => limit !== undefined && sum > limit)
  if (!over) return undefined
  const [name, , limit] = over
  return withWords(recordings.answer('174'), [/limit of \d+/, `limit of ${limit}`], [/CPU/, name])
}

/** As it was before anything was used, or with this world's numbers; no limit is -1 there, once something is used. */
function userInfo(recordings: Recordings, world: World, limits: Limits): string {
  if (world.vms.size === 0 && Object.keys(limits).length === 0) return recordings.answer('010')
  const { vms, cpu, memoryMb } = usage(world)
  const figures = [
    ['VMS', limits.vms, vms],
    ['CPU', limits.cpu, cpu],
    ['MEMORY', limits.memoryMb, memoryMb],
    ['SYSTEM_DISK_SIZE', limits.systemDiskMb, vms * 1024],
    ['LEASES', limits.leases, vms],
    ['RVMS', limits.runningVms, vms],
    ['RUNNING_VMS', undefined, vms],
    ['RUNNING_CPU', undefined, cpu],
    ['RUNNING_MEMORY', undefined, memoryMb],
  ] as const
  const recorded = recordings.answer('177')
  const document = figures.reduce(
    (text, [name, limit = -1, used]) =>
      withElement(withElement(text, name, `<![CDATA[${limit}]]>`), `${name}_USED`, `<![CDATA[${used}]]>`),
    documentIn(recorded),
  )
  return withDocument(recorded, document)
}

/** The id in an error's fourth element. */
function withNumber(answer: string, id: string): string {
  return answer.replace('<i4>9999</i4>', `<i4>${id}</i4>`)
}
