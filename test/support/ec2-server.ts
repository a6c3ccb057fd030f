/**
 * A server that speaks EC2's form of HTTP, for tests: it reads each call into its parameters, keeps it, and answers as it is
 * asked: with a document, with nothing at all, or by cutting the connection. Knows nothing of what the calls mean.
 */

import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Signed } from './certificates.ts'

export type Ec2Call = {
  readonly action: string
  /** As they came: `TagSpecification.1.Tag.2.Key`. */
  readonly parameters: ReadonlyMap<string, string>
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export type Ec2Answer =
  /** `cutAfter`: this number of bytes of it, then the end of the connection. */
  { readonly status: number; readonly body: string; readonly cutAfter?: number } | 'silence' | 'cut'

export type Ec2Server = {
  readonly url: string
  readonly calls: readonly Ec2Call[]
  of(action: string): readonly Ec2Call[]
  close(): Promise<void>
}

export async function openEc2Server(
  answer: (call: Ec2Call) => Ec2Answer | Promise<Ec2Answer>,
  tls?: Signed,
): Promise<Ec2Server> {
  const calls: Ec2Call[] = []
  const take = async (request: AsyncIterable<Buffer> & { headers: IncomingHttpHeaders }, response: ServerResponse) => {
    const pieces: Buffer[] = []
    for await (const piece of request) pieces.push(piece)
    const body = Buffer.concat(pieces).toString()
    const parameters = new Map(new URLSearchParams(body))
    const call = { action: parameters.get('Action') ?? '', parameters, headers: request.headers, body }
    calls.push(call)
    send(await answer(call), response)
  }
  const listener = (request: Parameters<typeof take>[0], response: ServerResponse): void => {
    take(request, response).catch((error: unknown) => {
      response.writeHead(599).end(String(error))
    })
  }
  const server: Server = tls ? createTlsServer({ cert: tls.certPem, key: tls.keyPem }, listener) : createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    calls,
    of: (wanted) => calls.filter(({ action }) => action === wanted),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function send(answer: Ec2Answer, response: ServerResponse): void {
  if (answer === 'silence') return
  if (answer === 'cut') {
    response.destroy()
    return
  }
  const { status, body, cutAfter } = answer
  response.writeHead(status, { 'content-type': 'text/xml', 'content-length': Buffer.byteLength(body) })
  if (cutAfter === undefined) response.end(body)
  else response.write(Buffer.from(body).subarray(0, cutAfter), () => response.destroy())
}

export function document(name: string, inner: string): Ec2Answer {
  return { status: 200, body: `<?xml version="1.0"?><${name}Response><requestId>r</requestId>${inner}</${name}Response>` }
}

export function refusal(status: number, code: string, message = 'so it is'): Ec2Answer {
  const error = `<Error><Code>${code}</Code><Message>${message}</Message></Error>`
  return { status, body: `<?xml version="1.0"?><Response><Errors>${error}</Errors><RequestID>r</RequestID></Response>` }
}

/** What stands under a list's name: `Filter` gives `Filter.1.Name` and its like as `{ Name, Value.1 }`. */
export function listed({ parameters }: Ec2Call, prefix: string): readonly Readonly<Record<string, string>>[] {
  const items = new Map<string, Record<string, string>>()
  for (const [key, value] of parameters) {
    const [, at, rest] = new RegExp(`^${prefix.replaceAll('.', '\\.')}\\.(\\d+)(?:\\.(.+))?$`).exec(key) ?? []
    if (at !== undefined) items.set(at, { ...items.get(at), [rest ?? '']: value })
  }
  return [...items.values()]
}
