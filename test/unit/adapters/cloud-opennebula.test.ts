/** The OpenNebula driver against answers that a real one gives rarely or never, by a server that says what the test asks. */

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../core/kernel/clock.ts'
import { PilotageError } from '../../../core/kernel/errors.ts'
import type { VmId } from '../../../core/kernel/ids.ts'
import type { Cloud, VmOrder } from '../../../core/ports/cloud.ts'
import { silentLog } from '../../../core/ports/log.ts'
import { openNebulaCloud } from '../../../services/adapters/cloud/opennebula/cloud.ts'
import type { OpenNebulaOptions } from '../../../services/adapters/cloud/opennebula/options.ts'
import { stateOf } from '../../../services/adapters/cloud/opennebula/states.ts'
import { parseXml, splitXml, textOf, textsOf } from '../../../services/adapters/cloud/opennebula/xml.ts'
import { noAmounts } from '../../../core/model/resources.ts'

const gib = 1024 ** 3
const vmId = 'vm-abcdefghjk' as VmId
const order: VmOrder = {
  vmId,
  shape: {
    cloud: 'one',
    site: 'here',
    flavor: 'small',
    image: 'worker',
    platform: 'linux',
    tags: [],
    vos: [],
    cores: 2,
    ...noAmounts,
    memoryBytes: 2 * gib,
    diskBytes: 20 * gib,
    pricePerHour: 1,
  },
  imageRef: { by: 'name', name: 'worker' },
  userData: '#cloud-config\n',
}

type Said = { readonly status?: number; readonly text?: string; readonly silent?: true; readonly lost?: true }
type Script = (parameters: string) => Said

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
const answer = (values: string): string =>
  `<?xml version="1.0"?>\r\n<methodResponse>\r\n<params><param><value><array><data>${values}</data></array></value></param></params>\r\n</methodResponse>\r\n`
const gives = (document: string): Said => ({
  text: answer(
    `<value><boolean>1</boolean></value><value><string>${escaped(document)}</string></value><value><i4>0</i4></value>`,
  ),
})
const givesId = (id: number): Said => ({
  text: answer(`<value><boolean>1</boolean></value><value><i4>${id}</i4></value><value><i4>0</i4></value>`),
})
const fails = (code: number, message: string): Said => ({
  text: answer(
    `<value><boolean>0</boolean></value><value><string>${escaped(message)}</string></value><value><i4>${code}</i4></value>`,
  ),
})
const fault = (code: number): Said => ({
  text: `<?xml version="1.0"?><methodResponse><fault><value><struct><member><name>faultCode</name><value><i4>${code}</i4></value></member><member><name>faultString</name><value><string>no</string></value></member></struct></value></fault></methodResponse>`,
})

const shortVm = (id: number, state: string, more = ''): string => {
  const [main, lcm] = state.split('/')
  return `<VM><ID>${id}</ID><NAME>x</NAME><STATE>${main}</STATE><LCM_STATE>${lcm}</LCM_STATE><STIME>1700000000</STIME><TEMPLATE><CPU>1</CPU><MEMORY>512</MEMORY></TEMPLATE><USER_TEMPLATE>${more}</USER_TEMPLATE></VM>`
}
const marks = (id = vmId, installation = 'mine'): string =>
  `<PILOTAGE_INSTALLATION><![CDATA[${installation}]]></PILOTAGE_INSTALLATION><PILOTAGE_VM><![CDATA[${id}]]></PILOTAGE_VM>`
const pool = (...vms: readonly string[]): Said => gives(`<VM_POOL>${vms.join('')}</VM_POOL>`)
const templates = (body: string): Said =>
  gives(
    `<VMTEMPLATE_POOL><VMTEMPLATE><ID>5</ID><NAME>worker</NAME><UNAME>a</UNAME><TEMPLATE>${body}</TEMPLATE></VMTEMPLATE></VMTEMPLATE_POOL>`,
  )
const user = (quotas: string, defaults = ''): Said =>
  gives(
    `<USER><ID>2</ID><VM_QUOTA>${quotas}</VM_QUOTA><DEFAULT_USER_QUOTAS><VM_QUOTA>${defaults}</VM_QUOTA></DEFAULT_USER_QUOTAS></USER>`,
  )

let server: Server
let script: Record<string, Script>
let asked: string[]
let bodies: string[]
const opened: (Cloud & { close(): Promise<void> })[] = []

beforeEach(async () => {
  asked = []
  bodies = []
  script = {
    'one.vmpool.info': () => pool(),
    'one.vmpool.infoset': () => pool(),
    'one.templatepool.info': () => templates('<DISK><IMAGE_ID><![CDATA[9]]></IMAGE_ID></DISK>'),
    'one.template.instantiate': () => givesId(7),
  }
  server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const text = Buffer.concat(pieces).toString()
      const method = /<methodName>(.*?)</.exec(text)?.[1] ?? ''
      asked.push(method)
      bodies.push(text)
      const said = script[method]?.(text) ?? { status: 500 }
      if (said.silent) return
      if (said.lost) return void request.socket.destroy()
      response.writeHead(said.status ?? 200, { connection: 'close' }).end(said.text ?? '')
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()))
  await new Promise((resolve) => {
    server.close(resolve)
    server.closeAllConnections()
  })
})

function driver(more: Partial<OpenNebulaOptions> = {}): Cloud {
  const cloud = openNebulaCloud({
    name: 'one',
    installation: 'mine',
    clock: systemClock(),
    log: silentLog(),
    references: { flavors: new Map() },
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/RPC2`,
    user: 'grid',
    password: 'sesame-4711',
    cpuPerCore: 1,
    disk: 'flavor',
    networks: [],
    groupQuota: true,
    powerOffDoubtMs: 0,
    ...more,
  })
  opened.push(cloud)
  return cloud
}

async function errorOf(call: Promise<unknown>): Promise<PilotageError> {
  try {
    await call
  } catch (thrown) {
    if (thrown instanceof PilotageError) return thrown
    throw thrown
  }
  throw new Error('it should have failed')
}
const codeOf = async (call: Promise<unknown>): Promise<string> => (await errorOf(call)).code

describe('an order', () => {
  const textSent = (): string => {
    const body = bodies[asked.indexOf('one.template.instantiate')] ?? ''
    return [...body.matchAll(/<string>([^<]*)<\/string>/g)].map(([, text = '']) => text).at(-1) ?? ''
  }

  it('gives the first disk the size of the flavor, and keeps what else the template has', async () => {
    script['one.templatepool.info'] = () =>
      templates(
        '<CONTEXT><TOKEN><![CDATA[YES]]></TOKEN><START_SCRIPT><![CDATA[echo "a" \\ & b]]></START_SCRIPT></CONTEXT><DISK><IMAGE_ID>9</IMAGE_ID><DEV_PREFIX><![CDATA[vd]]></DEV_PREFIX></DISK><DISK><SIZE>100</SIZE><TYPE>fs</TYPE></DISK>',
      )
    expect(await driver().create(order)).toEqual({ ref: '7' })
    const sent = textSent()
    expect(sent).toContain('CPU="2"\nVCPU="2"\nMEMORY="2048"\n')
    expect(sent).toContain('DISK=[IMAGE_ID="9",DEV_PREFIX="vd",SIZE="20480"]\nDISK=[SIZE="100",TYPE="fs"]\n')
    expect(sent).toContain('TOKEN="YES",START_SCRIPT="echo \\"a\\" \\ &amp; b",NETWORK="YES"')
  })

  it('carries a start script in base64, instead of the template’s', async () => {
    script['one.templatepool.info'] = () =>
      templates('<CONTEXT><START_SCRIPT>old</START_SCRIPT></CONTEXT><DISK><IMAGE>x</IMAGE></DISK>')
    await driver({ startScript: 'echo "$HOME"' }).create(order)
    expect(textSent()).toContain(`START_SCRIPT_BASE64="${Buffer.from('echo "$HOME"').toString('base64')}"`)
    expect(textSent()).not.toContain('START_SCRIPT="')
  })

  it('is refused before it is sent where it cannot be written', async () => {
    const networks = [new Map([['NETWORK', 'back\\']])]
    expect(await codeOf(driver({ networks }).create(order))).toBe('cloud-refused')
    script['one.templatepool.info'] = () => templates('<CPU>1</CPU>')
    expect(await codeOf(driver().create(order))).toBe('cloud-refused')
    expect(asked).not.toContain('one.template.instantiate')
  })

  it('takes nothing that is there twice', async () => {
    const one = '<VMTEMPLATE><ID>5</ID><NAME>worker</NAME><TEMPLATE/></VMTEMPLATE>'
    script['one.templatepool.info'] = () => gives(`<VMTEMPLATE_POOL>${one}${one}</VMTEMPLATE_POOL>`)
    expect((await errorOf(driver().create(order))).message).toContain('there are several of template called worker')
  })

  it('takes an image as soon as it is there, beside a template that is kept', async () => {
    const own = { template: { by: 'id', id: '5' }, disk: 'template' } as const
    const images = (body: string): Said => gives(`<IMAGE_POOL>${body}</IMAGE_POOL>`)
    script['one.imagepool.info'] = () => images('')
    const cloud = driver(own)
    expect((await errorOf(cloud.create(order))).message).toContain('there is no image called worker')
    script['one.imagepool.info'] = () => images('<IMAGE><ID>3</ID><NAME>worker</NAME></IMAGE>')
    expect(await cloud.create(order)).toEqual({ ref: '7' })
    expect(asked.filter((method) => method === 'one.templatepool.info')).toHaveLength(1)
  })

  it.each([
    fails(1024, '[one.template.instantiate] Error getting template [5].'),
    fails(16384, '[one.template.instantiate] DISK 0: Image with ID: 9 does not exist'),
  ])('looks the template up anew when the cloud refuses what it says: %o', async (said) => {
    script['one.template.instantiate'] = () => said
    const cloud = driver()
    expect(await codeOf(cloud.create(order))).toBe('cloud-refused')
    script['one.template.instantiate'] = () => givesId(8)
    expect(await cloud.create(order)).toEqual({ ref: '8' })
    expect(asked.filter((method) => method === 'one.templatepool.info')).toHaveLength(2)
  })
})

describe('after an unknown outcome', () => {
  it('a create is looked for, and found', async () => {
    script['one.template.instantiate'] = () => {
      script['one.vmpool.info'] = () => pool(shortVm(3, '1/0'))
      script['one.vmpool.infoset'] = () => pool(shortVm(3, '1/0', marks()))
      return { lost: true }
    }
    expect(await driver().create(order)).toEqual({ ref: '3' })
  })

  it('a create that left nothing is unknown, and asked again makes one VM', async () => {
    const cloud = driver()
    script['one.template.instantiate'] = () => ({ status: 502 })
    expect(await codeOf(cloud.create(order))).toBe('cloud-transient')
    script['one.template.instantiate'] = () => givesId(4)
    expect(await Promise.all([order, order, order].map((each) => cloud.create(each)))).toEqual(
      [1, 2, 3].map(() => ({ ref: '4' })),
    )
    expect(asked.filter((method) => method === 'one.template.instantiate')).toHaveLength(2)
  })

  it('of two VMs of one id the older one counts, and both are listed', async () => {
    const both = [12, 3].map((id) => shortVm(id, '3/3', marks()))
    script['one.vmpool.info'] = () => pool(...both)
    script['one.vmpool.infoset'] = () => pool(...both)
    const cloud = driver()
    expect(await cloud.create(order)).toEqual({ ref: '3' })
    expect((await cloud.list()).map(({ ref }) => ref)).toEqual(['12', '3'])
  })

  it('nothing is made while the pool cannot be looked at', async () => {
    script['one.vmpool.info'] = () => ({ status: 503 })
    expect(await codeOf(driver().create(order))).toBe('cloud-transient')
    expect(asked).not.toContain('one.template.instantiate')
  })
})

describe('a list', () => {
  it.each<readonly [string, Said]>([
    ['of something else', { text: '<html>busy</html>' }],
    ['with nothing in it', { text: '' }],
    ['that is cut off', { text: pool(shortVm(1, '3/3')).text?.slice(0, -60) }],
    ['whose pool is cut off', gives(`<VM_POOL>${shortVm(1, '3/3')}`)],
    ['with a document type', { text: `<!DOCTYPE x [<!ENTITY a "b">]>${pool().text}` }],
    ['with a document type inside', gives('<!DOCTYPE x [<!ENTITY a "b">]><VM_POOL>&a;</VM_POOL>')],
    ['from an overloaded proxy', { status: 429, text: 'later' }],
    ['that leads elsewhere', { status: 302 }],
    ['of an internal error', fails(8192, '[one.vmpool.info] Error getting POOL')],
    ['of an error that an order would not outlive', fails(8192, 'table vm_pool does not exist')],
    ['of a follower', fails(65536, 'Not the leader')],
  ])('%s is unknown', async (_, said) => {
    script['one.vmpool.info'] = () => said
    expect(await codeOf(driver().list())).toBe('cloud-transient')
  })

  it('is an error where a VM’s body is missing or cannot be read', async () => {
    script['one.vmpool.info'] = () => pool(shortVm(1, '3/3'), shortVm(2, '3/3'))
    script['one.vmpool.infoset'] = () => pool(shortVm(1, '3/3', marks()))
    expect(await codeOf(driver().list())).toBe('cloud-transient')
    script['one.vmpool.info'] = () => pool(shortVm(1, '3/3').replace('1700000000', 'soon'))
    expect(await codeOf(driver().list())).toBe('cloud-transient')
  })

  it('takes one VM as a list of one, and what has ended since as ended', async () => {
    script['one.vmpool.info'] = () => pool(shortVm(1, '3/3'))
    script['one.vmpool.infoset'] = () => pool(shortVm(1, '3/3', marks()))
    expect(await driver().list()).toEqual([{ ref: '1', vmId, power: 'running', detail: '', createdMs: 1_700_000_000_000 }])
    script['one.vmpool.infoset'] = () => pool(shortVm(1, '6/0', marks()))
    expect(await driver().list()).toEqual([])
  })

  it('lists the addresses of short bodies, those from outside last', async () => {
    const card = (ip: string, more = '') => `<NIC><IP><![CDATA[${ip}]]></IP>${more}<NIC_ID><![CDATA[0]]></NIC_ID></NIC>`
    const cards = card('10.7.0.10', '<EXTERNAL_IP><![CDATA[192.0.2.7]]></EXTERNAL_IP>') + card('10.8.0.10')
    const body = (more = '') => shortVm(1, '3/3', more).replace('</TEMPLATE>', `${cards}</TEMPLATE>`)
    script['one.vmpool.info'] = () => pool(body())
    script['one.vmpool.infoset'] = () => pool(body(marks()))
    expect((await driver().list())[0]?.addresses).toEqual(['10.7.0.10', '10.8.0.10', '192.0.2.7'])
  })

  it('gives the reason of a short body, without reading the whole one again', async () => {
    const why = '<ERROR><![CDATA[Sat: no\n such <host> &amp; more]]></ERROR>'
    script['one.vmpool.info'] = () => pool(shortVm(1, '3/39', why))
    script['one.vmpool.infoset'] = () => pool(shortVm(1, '3/39', marks() + why))
    const cloud = driver()
    for (let round = 1; round <= 2; round += 1) {
      expect((await cloud.list())[0]).toMatchObject({
        power: 'error',
        detail: 'PROLOG_FAILURE: Sat: no such <host> &amp; more',
      })
    }
    expect(asked.filter((method) => method === 'one.vmpool.infoset')).toHaveLength(1)
  })

  it.each([
    ['Sat Nov 21 00:16:58 2026: Cannot dispatch VM: No host with enough capacity to deploy the VM', 'capacity'],
    ['Wed Sep  9 11:25:08 2026 : No host with enough capacity to deploy the VM', 'capacity'],
    ['Wed Sep  9 11:25:08 2026: [HOST] Not enough CPU on hosts: 0', 'capacity'],
    ['[HOST] Not enough MEMORY on hosts: 0, 1', 'capacity'],
    ['[DS] Not enough capacity on datastores: 100', 'capacity'],
    ['Cannot dispatch VM: No host meets capacity and SCHED_REQUIREMENTS: ARCH = "arm"', 'capacity'],
    ['user [2] limit of 4 reached for CPU quota in cluster 0', 'quota'],
    ['[HOST] Dispatch limit reached on hosts: 0', 'transient'],
    ['', 'transient'],
  ])('gives what keeps a VM waiting, without the moment: %s', async (words, failure) => {
    const why = words === '' ? '' : `<SCHED_MESSAGE><![CDATA[${words}]]></SCHED_MESSAGE>`
    script['one.vmpool.info'] = () => pool(shortVm(1, '1/0', why))
    script['one.vmpool.infoset'] = () => pool(shortVm(1, '1/0', marks() + why))
    const detail = words === '' ? 'PENDING' : `PENDING: ${words.replace(/^.* 2026 ?: /, '')}`
    expect((await driver().list())[0]).toMatchObject({ power: 'building', detail, failure })
  })

  it('blames no image for a VM on hold, and the image for one that a host has', async () => {
    for (const [state, failure] of [
      ['2/0', 'transient'],
      ['3/1', undefined],
      ['3/36', undefined],
    ] as const) {
      script['one.vmpool.info'] = () => pool(shortVm(1, state))
      script['one.vmpool.infoset'] = () => pool(shortVm(1, state, marks()))
      expect((await driver().list())[0]?.failure).toBe(failure)
    }
  })

  it('reads hundreds of bodies in parts', async () => {
    const ids = Array.from({ length: 250 }, (_, at) => at)
    script['one.vmpool.info'] = () => pool(...ids.map((id) => shortVm(id, '3/3')))
    script['one.vmpool.infoset'] = (text) => {
      const [, list = ''] = [...text.matchAll(/<string>([^<]*)</g)].map(([, one = '']) => one)
      return pool(...list.split(',').map((id) => shortVm(Number(id), '3/3', marks())))
    }
    expect(await driver().list()).toHaveLength(250)
    expect(asked.filter((method) => method === 'one.vmpool.infoset')).toHaveLength(3)
  })

  it('gives up on a server that is silent in the middle of it', async () => {
    script['one.vmpool.info'] = () => pool(shortVm(1, '3/3'))
    script['one.vmpool.infoset'] = () => ({ silent: true })
    expect(await codeOf(driver({ callMs: 300 }).list())).toBe('cloud-transient')
  })
})

describe('a VM that is off', () => {
  it('is believed to be when it was so for long enough, each time anew', async () => {
    const is = (state: string) => {
      script['one.vmpool.info'] = () => pool(shortVm(1, state))
      script['one.vmpool.infoset'] = () => pool(shortVm(1, state, marks()))
    }
    let nowMs = 0
    const clock = { ...systemClock(), monotonicMs: () => nowMs }
    const cloud = driver({ clock, powerOffDoubtMs: 60_000 })
    const listed = async () => (await cloud.list())[0]
    is('8/0')
    expect(await listed()).toMatchObject({ power: 'running', detail: 'POWEROFF' })
    nowMs = 59_000
    is('3/3')
    expect(await listed()).toMatchObject({ power: 'running', detail: '' })
    is('8/0')
    nowMs = 61_000
    expect(await listed()).toMatchObject({ power: 'running' })
    nowMs = 121_000
    expect(await listed()).toMatchObject({ power: 'stopped', detail: 'POWEROFF' })
  })
})

describe('failures of a create', () => {
  /** Of versions 6.0 and 7.4, all with the code ALLOCATE. */
  const orderWords = [
    'DISK 0: SIZE of 512MB is less than the image [0] size of 1024MB',
    'Total threads per core and socket needs to match VCPU',
    'NIC named a not found for alias',
    'Cannot acquire image 1, it is persistent and already in use',
    'Cannot acquire image 1, it is in state: ERROR',
    'a sentence that no version has said yet',
  ]
  it.each<readonly [Said, string]>([
    [fails(256, "User couldn't be authenticated, aborting call."), 'cloud-auth'],
    [{ status: 401 }, 'cloud-auth'],
    [fails(512, 'User [2] : user [2] limit of 4 reached for VMS quota in VM.'), 'cloud-quota'],
    [fails(512, 'User [2] : group [1] limit of 4.5 reached for RUNNING_CPU quota in VM.'), 'cloud-quota'],
    [fails(2048, 'user [2] limit of 1 reached for RUNNING_VMS quota in VM'), 'cloud-quota'],
    [fails(512, 'User [2] : VM Template includes a restricted attribute FILES.'), 'cloud-refused'],
    [fails(512, 'User [2] : Not authorized to perform USE TEMPLATE [3].'), 'cloud-refused'],
    [fails(8192, 'Cannot get IP/MAC lease from virtual network 0.'), 'cloud-capacity'],
    [fails(8192, 'Not enough space in datastore'), 'cloud-capacity'],
    [fails(8192, 'DISK 0: Image with ID: 9999 does not exist'), 'cloud-refused'],
    [fails(8192, 'Parse error: syntax error, unexpected $end'), 'cloud-refused'],
    [fails(8192, 'Error trying to INSERT into the database'), 'cloud-transient'],
    [fails(16384, 'Error inserting VM in DB.'), 'cloud-transient'],
    [fails(16384, 'Not enough space in datastore'), 'cloud-capacity'],
    [fails(512, 'User [2] : user [2] limit of 1 reached for RVMS quota in IMAGE with ID: 1.'), 'cloud-refused'],
    [fails(512, 'User [2] : user [2] limit of 1 reached for LEASES quota in NETWORK with ID: 0.'), 'cloud-quota'],
    [fails(32768, 'The resource is locked'), 'cloud-refused'],
    [fails(65536, 'not the leader'), 'cloud-transient'],
    [fault(-506), 'cloud-refused'],
    [{ status: 404 }, 'cloud-refused'],
    [{ status: 500 }, 'cloud-transient'],
    [{ text: 'garbage' }, 'cloud-transient'],
    [gives('no id'), 'cloud-transient'],
    ...orderWords.map((words) => [fails(16384, `[one.template.instantiate] ${words}`), 'cloud-refused'] as const),
  ])('%o', async (said, code) => {
    script['one.template.instantiate'] = () => said
    expect(await codeOf(driver().create(order))).toBe(code)
  })

  it('show no secret, also where the server echoes it', async () => {
    script['one.template.instantiate'] = () => fails(512, `who is grid:sesame-4711? ${'x'.repeat(5000)}`)
    const { message } = await errorOf(driver().create(order))
    expect(message).toContain('who is grid:***?')
    expect(message.length).toBeLessThan(500)
  })
})

describe('the end of a VM', () => {
  const is = (state: string): void => {
    script['one.vmpool.infoset'] = () => pool(shortVm(5, state, marks()))
  }

  it.each<readonly [string, Said, string]>([
    ['3/3', givesId(5), 'going'],
    ['3/36', givesId(5), 'going'],
    ['3/2', fails(2048, 'Could not terminate VM 5, wrong state BOOT.'), 'going'],
    ['3/3', fails(1024, 'Error getting virtual machine [5].'), 'gone'],
    ['3/11', { status: 500 }, 'going'],
    ['6/0', { status: 500 }, 'gone'],
  ])('in %s, %o: %s', async (state, said, listed) => {
    is(state)
    script['one.vm.action'] = () => said
    expect(await driver().destroy('5')).toBe(listed)
  })

  it('is not asked for where another mark is on it', async () => {
    script['one.vmpool.infoset'] = () => pool(shortVm(5, '3/3', marks(vmId, 'theirs')))
    expect(await driver().destroy('5')).toBe('gone')
    expect(asked).not.toContain('one.vm.action')
  })

  it('is unknown where the cloud does not say', async () => {
    is('3/3')
    script['one.vm.action'] = () => ({ status: 504 })
    expect(await codeOf(driver().destroy('5'))).toBe('cloud-transient')
    script['one.vmpool.infoset'] = () => ({ status: 504 })
    expect(await codeOf(driver().destroy('any'))).toBe('cloud-transient')
  })
})

describe('quotas', () => {
  const entry = (values: Readonly<Record<string, number>>): string =>
    `<VM>${Object.entries(values).map(([name, value]) => `<${name}><![CDATA[${value}]]></${name}>`).join('')}</VM>` // biome-ignore format: one line
  const group = (quotas: string): void => {
    script['one.group.info'] = () => gives(`<GROUP><VM_QUOTA>${quotas}</VM_QUOTA></GROUP>`)
  }

  it('are the least of the user and its group, less what others have', async () => {
    script['one.user.info'] = () => user(entry({ VMS: 10, VMS_USED: 3, CPU: -2, CPU_USED: 9, MEMORY: -1, MEMORY_USED: 0 }))
    group(entry({ VMS: 20, VMS_USED: 15, CPU: 7.5, CPU_USED: 2.25, MEMORY: 4096, MEMORY_USED: 1024 }))
    const own = shortVm(1, '3/3')
    script['one.vmpool.info'] = () => pool(own)
    script['one.vmpool.infoset'] = () => pool(own.replace('<USER_TEMPLATE>', `<USER_TEMPLATE>${marks()}`))
    expect(await driver().quota()).toEqual({ vms: 6, cores: 6, memoryBytes: 3584 * 1024 ** 2 })
    expect((await driver({ cpuPerCore: 0.5 }).quota()).cores).toBe(12)
  })

  it('by default are those of all, and those of running VMs count too', async () => {
    const some = entry({ VMS: -1, VMS_USED: 2, RUNNING_VMS: 3, RUNNING_VMS_USED: 2 })
    script['one.user.info'] = () => user(some, entry({ VMS: 8, CPU: 4 }))
    group('')
    expect(await driver().quota()).toEqual({ vms: 1, cores: 4, memoryBytes: Infinity })
    script['one.user.info'] = () => user(entry({ VMS: -1, VMS_USED: 2 }), entry({ VMS: 8 }))
    expect((await driver().quota()).vms).toBe(6)
  })

  it('of single clusters are not taken for those of the whole, and are named as not planned for', async () => {
    const cluster = entry({ VMS: 1, CPU: -2 }).replace('</VM>', '<CLUSTER_IDS><![CDATA[0,100]]></CLUSTER_IDS></VM>')
    script['one.user.info'] = () => user(cluster + entry({ VMS: 9, VMS_USED: 0 }))
    const warned: object[] = []
    const log = { ...silentLog(), warn: (fields: object) => void warned.push(fields) }
    const cloud = driver({ groupQuota: false, log })
    for (let round = 0; round < 3; round += 1) expect((await cloud.quota()).vms).toBe(9)
    expect(warned).toEqual([{ cloud: 'one', limits: ['VMS in clusters 0,100 1'] }])
  })

  it('of disks, networks, images and datastores are named, by default or set, and change nothing', async () => {
    const lists =
      '<NETWORK_QUOTA><NETWORK><ID>0</ID><LEASES>5</LEASES><LEASES_USED>2</LEASES_USED></NETWORK></NETWORK_QUOTA>'
    const images =
      '<IMAGE_QUOTA><IMAGE><ID>3</ID><RVMS>1</RVMS></IMAGE><IMAGE><ID>4</ID><RVMS>-1</RVMS></IMAGE></IMAGE_QUOTA>'
    script['one.user.info'] = () =>
      gives(
        `<USER><ID>2</ID><VM_QUOTA>${entry({ RUNNING_CPU: 3, RUNNING_CPU_USED: 0, SYSTEM_DISK_SIZE: -1 })}</VM_QUOTA>${lists}${images}` +
          `<DEFAULT_USER_QUOTAS><VM_QUOTA>${entry({ SYSTEM_DISK_SIZE: 4096 })}</VM_QUOTA></DEFAULT_USER_QUOTAS></USER>`,
      )
    const warned: object[] = []
    const log = { ...silentLog(), warn: (fields: object) => void warned.push(fields) }
    const cloud = driver({ groupQuota: false, log })
    expect(await cloud.quota()).toEqual({ vms: Infinity, cores: 3, memoryBytes: Infinity })
    expect(warned).toEqual([
      { cloud: 'one', limits: ['SYSTEM_DISK_SIZE 4096', 'LEASES of NETWORK 0 5', 'RVMS of IMAGE 3 1'] },
    ])
  })
})

describe('the table of states', () => {
  it('knows all numbers of LCM_STATE but the two that are no more', () => {
    const unknown = Array.from({ length: 72 }, (_, lcm) => lcm).filter((lcm) => stateOf(3, lcm).name.startsWith('an '))
    expect(unknown).toEqual([13, 14])
  })

  it.each([
    [1, 0, 'PENDING', 'building'],
    [2, 0, 'HOLD', 'building'],
    [3, 16, 'UNKNOWN', 'lost'],
    [3, 36, 'BOOT_FAILURE', 'error'],
    [8, 0, 'POWEROFF', 'off'],
    // LCM_STATE counts while STATE is ACTIVE, and then alone.
    [5, 3, 'SUSPENDED', 'stopped'],
    [3, 99, 'an unknown state, 3/99', 'lost'],
  ])('%i/%i', (state, lcm, name, standing) => {
    expect(stateOf(state, lcm)).toEqual({ name, standing })
  })

  it('takes every failure as one', () => {
    const failures = Array.from({ length: 72 }, (_, lcm) => stateOf(3, lcm)).filter(({ name }) => name.endsWith('_FAILURE'))
    expect(failures.length).toBeGreaterThan(12)
    expect(failures.filter(({ standing }) => standing !== 'error')).toEqual([])
  })

  it.each([
    ['2/0', 'building', 'HOLD'],
    ['3/0', 'building', 'LCM_INIT'],
    ['3/1', 'building', 'PROLOG'],
    ['3/11', 'ending', 'EPILOG'],
    ['1/0', 'building', 'PENDING'],
    ['3/3', 'running', ''],
  ])('names a state in which a VM may stay: %s', async (state, power, detail) => {
    script['one.vmpool.info'] = () => pool(shortVm(1, state))
    script['one.vmpool.infoset'] = () => pool(shortVm(1, state, marks()))
    expect((await driver().list())[0]).toMatchObject({ power, detail })
  })
})

describe('XML', () => {
  it('resolves entities outside of CDATA only, and leaves numbers as text', () => {
    const read = parseXml('<A><B>1 &lt;&amp;lt;</B><C><![CDATA[&amp;<x>]]></C><D>007</D><E/></A>', 'A')
    expect(Object.fromEntries(textsOf(read))).toEqual({ B: '1 <&lt;', C: '&amp;<x>', D: '007', E: '' })
    expect(textOf(read, 'F')).toBe('')
  })

  it('is split where elements end, and not where their content says so', () => {
    const tricky = '<VM><A><![CDATA[</VM><VM>]]></A></VM>'
    const nested = '<VM><USER_TEMPLATE><VM>x</VM></USER_TEMPLATE></VM>'
    expect(splitXml(`<VM_POOL>${tricky}${nested}</VM_POOL>`, 'VM_POOL', 'VM')).toEqual([tricky, nested])
    expect(textOf(parseXml(tricky, 'VM'), 'A')).toBe('</VM><VM>')
    expect(() => splitXml('<VM_POOL><VM></VM_POOL>', 'VM_POOL', 'VM')).toThrow('does not end')
  })

  it('takes a long value in CDATA as one that is escaped', async () => {
    const document = `<VM_POOL>${shortVm(1, '3/3', `<LABELS>${'x'.repeat(2000)}</LABELS>`)}</VM_POOL>`
    const value = `<value><string><![CDATA[${document}]]></string></value>`
    script['one.vmpool.info'] = () => ({ text: answer(`<value><boolean>1</boolean></value>${value}`) })
    script['one.vmpool.infoset'] = () => pool(shortVm(1, '3/3', marks()))
    expect(await driver().list()).toHaveLength(1)
  })

  it('takes long text apart as it takes short text', async () => {
    const name = `${'&lt;'.repeat(400)}"'ü雪`
    script['one.templatepool.info'] = () =>
      gives(
        `<VMTEMPLATE_POOL><VMTEMPLATE><ID>5</ID><NAME>${name}</NAME><TEMPLATE><DISK/></TEMPLATE></VMTEMPLATE></VMTEMPLATE_POOL>`,
      )
    const imageRef = { by: 'name', name: `${'<'.repeat(400)}"'ü雪` } as const
    expect(await driver().create({ ...order, imageRef })).toEqual({ ref: '7' })
  })
})
