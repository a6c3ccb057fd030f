/**
 * Between a driver and moto: records every call, and does what the real EC2 does and moto does not. The same client token
 * gives the first machine, with other parameters a mismatch, and after the machine's end a refusal; an unknown image, user
 * data over the limit and page sizes out of range are refused; lists come in pages; consoles have the words that a test put
 * on them.
 *
 * On a test's word it plays a full quota, a full zone, a broken list, a lost reply and silence. Everything else is moto's.
 */

import { type Ec2Answer, type Ec2Call, listed, openEc2Server, refusal } from '../support/ec2-server.ts'

export type Ec2Front = {
  readonly url: string
  readonly calls: readonly Ec2Call[]
  of(action: string): readonly Ec2Call[]
  /**
   * Before anything else is done with a call; undefined: it goes its way. `made`: what it would be answered, after it was
   * done.
   */
  disturb(with_: (call: Ec2Call, made: () => Promise<Ec2Answer>) => Ec2Answer | Promise<Ec2Answer> | undefined): void
  /** The machine of this VM id ends by itself as soon as it is made. */
  endSoon(vmId: string): void
  writeOnConsole(vmId: string, text: string): void
  close(): Promise<void>
}

type Disturbance = Parameters<Ec2Front['disturb']>[0]

const maxUserDataBytes = 16 * 1024
/** Two machines a page: three are two pages. */
const maxPageSize = 2

export async function openEc2Front(moto: string): Promise<Ec2Front> {
  const ending = new Set<string>()
  const consoles = new Map<string, string>()
  const tokens = new Map<string, { readonly parameters: string; readonly answer: Promise<Ec2Answer> }>()
  let disturbance: Disturbance = () => undefined

  const pass = (call: Ec2Call, changes: Readonly<Record<string, string>> = {}): Promise<Ec2Answer> =>
    forward(moto, call, changes)

  async function run(call: Ec2Call): Promise<Ec2Answer> {
    const { parameters } = call
    const token = parameters.get('ClientToken') ?? ''
    const known = tokens.get(token)
    const own = JSON.stringify([...parameters].sort())
    if (known) {
      const first = await known.answer
      if (known.parameters !== own) return refusal(400, 'IdempotentParameterMismatch')
      const state = textOf(await pass(call, { Action: 'DescribeInstances', 'InstanceId.1': instanceOf(first) }))
      return /<name>terminated<\/name>/.test(state) ? refusal(400, 'IdempotentInstanceTerminated') : first
    }
    const answer = start(call)
    if (token !== '') tokens.set(token, { parameters: own, answer })
    // What was refused has used no token up.
    if (instanceOf(await answer) === '') tokens.delete(token)
    return answer
  }

  async function start(call: Ec2Call): Promise<Ec2Answer> {
    const { parameters } = call
    const image = await pass(call, { Action: 'DescribeImages', 'ImageId.1': parameters.get('ImageId') ?? '' })
    if (typeof image === 'object' && image.status !== 200) return image
    // moto lists an image that was deregistered, and starts it.
    if (!textOf(image).includes('<imageState>available<')) return refusal(400, 'InvalidAMIID.Unavailable')
    const userData = Buffer.from(parameters.get('UserData') ?? '', 'base64')
    if (userData.length > maxUserDataBytes)
      return refusal(400, 'InvalidParameterValue', 'User data is limited to 16384 bytes')
    const made = await pass(call)
    if (ending.has(vmOf(call))) await pass(call, { Action: 'TerminateInstances', 'InstanceId.1': instanceOf(made) })
    const text = consoles.get(vmOf(call))
    if (text !== undefined) consoles.set(instanceOf(made), text)
    return made
  }

  async function page(call: Ec2Call): Promise<Ec2Answer> {
    const { parameters } = call
    const size = Number(parameters.get('MaxResults') ?? maxPageSize)
    if (!(size >= 5 && size <= 1000) && parameters.has('MaxResults')) return refusal(400, 'InvalidParameterValue')
    if (parameters.has('InstanceId.1')) {
      return parameters.has('MaxResults') ? refusal(400, 'InvalidParameterCombination') : pass(call)
    }
    const whole = await pass(call, { MaxResults: '1000', NextToken: '' })
    if (typeof whole !== 'object' || whole.status !== 200) return whole
    return pageOf(whole.body, Number(/^page-(\d+)$/.exec(parameters.get('NextToken') ?? '')?.[1] ?? 0))
  }

  function consoleOf(call: Ec2Call): Ec2Answer | Promise<Ec2Answer> {
    const id = call.parameters.get('InstanceId') ?? ''
    const text = consoles.get(id)
    if (text === undefined) return pass(call)
    // EC2 keeps as much of it.
    const end = Buffer.from(text)
      .subarray(-64 * 1024)
      .toString('base64')
    const inner = `<instanceId>${id}</instanceId><output>${end}</output>`
    return { status: 200, body: `<GetConsoleOutputResponse>${inner}</GetConsoleOutputResponse>` }
  }

  function answer(call: Ec2Call): Ec2Answer | Promise<Ec2Answer> {
    if (!/^AWS4-HMAC-SHA256 Credential=\S+\/ec2\/aws4_request/.test(call.headers.authorization ?? '')) {
      return refusal(401, 'AuthFailure')
    }
    switch (call.action) {
      case 'RunInstances':
        return run(call)
      case 'DescribeInstances':
        return page(call)
      case 'GetConsoleOutput':
        return consoleOf(call)
      default:
        return pass(call)
    }
  }

  const server = await openEc2Server((call) => disturbance(call, async () => answer(call)) ?? answer(call))
  return {
    url: server.url,
    calls: server.calls,
    of: server.of,
    disturb: (by) => {
      disturbance = by
    },
    endSoon: (vmId) => void ending.add(vmId),
    writeOnConsole: (vmId, text) => void consoles.set(vmId, text),
    close: () => server.close(),
  }
}

async function forward(moto: string, call: Ec2Call, changes: Readonly<Record<string, string>>): Promise<Ec2Answer> {
  const parameters = new URLSearchParams(changes.Action === undefined ? call.body : { Version: '2016-11-15' })
  for (const [key, value] of Object.entries(changes)) {
    if (value === '') parameters.delete(key)
    else parameters.set(key, value)
  }
  const answer = await fetch(moto, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      // moto reads the region out of it, and checks nothing.
      authorization: call.headers.authorization ?? '',
      host: call.headers.host ?? '',
    },
    body: parameters.toString(),
  })
  return { status: answer.status, body: await answer.text() }
}

function pageOf(body: string, from: number): Ec2Answer {
  const [, head = '', list = '', tail = ''] =
    /^([\s\S]*<reservationSet>)([\s\S]*)(<\/reservationSet>[\s\S]*)$/.exec(body) ?? []
  if (head === '') return { status: 200, body }
  const items = itemsOf(list)
  const next = from + maxPageSize < items.length ? `<nextToken>page-${from + maxPageSize}</nextToken>` : ''
  const end = tail
    .replace(/<nextToken>[\s\S]*?<\/nextToken>|<nextToken\/>/, '')
    .replace('</reservationSet>', `</reservationSet>${next}`)
  return { status: 200, body: `${head}${items.slice(from, from + maxPageSize).join('')}${end}` }
}

/** The outermost items of a list. */
function itemsOf(list: string): readonly string[] {
  const items: string[] = []
  let [depth, begin] = [0, 0]
  for (const { 0: tag, index } of list.matchAll(/<item\s*\/>|<\/?item>/g)) {
    if (tag === '<item>') {
      if (depth === 0) begin = index
      depth += 1
    } else if (tag === '</item>') {
      depth -= 1
      if (depth === 0) items.push(list.slice(begin, index + tag.length))
    }
  }
  return items
}

function textOf(answer: Ec2Answer): string {
  return typeof answer === 'object' ? answer.body : ''
}

function instanceOf(answer: Ec2Answer): string {
  return /<instanceId>([^<]+)<\/instanceId>/.exec(textOf(answer))?.[1] ?? ''
}

/** As the driver marks its machines. */
function vmOf(call: Ec2Call): string {
  const tags = listed(call, 'TagSpecification.1.Tag')
  return tags.find(({ Key }) => Key === 'pilotage-vm')?.Value ?? ''
}
