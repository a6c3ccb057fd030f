/**
 * A service whose every answer has the same text in every field that holds one, made from the .proto files: a new message or
 * field needs nothing here. Numbers are 1, enums have their first value, lists one item.
 */

import { join } from 'node:path'
import { Server, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js'
import { type AnyDefinition, loadSync, type MessageTypeDefinition, type ServiceDefinition } from '@grpc/proto-loader'

type Field = {
  readonly name: string
  readonly label: string
  readonly type: string
  readonly typeName: string
}
type Shape = { readonly field: readonly Field[]; readonly nestedType: readonly (Shape & { readonly name: string })[] }
type Writing = { write(message: object): void; end(): void }
type Answering = (error: null, message: object) => void

const proto = join(import.meta.dirname, '../../proto')
const maxDepth = 6

export async function startHostileService(text: string): Promise<{ readonly server: string; stop(): Promise<void> }> {
  const files = ['job', 'operate', 'accounting'].map((name) => join(proto, `pilotage/v1/${name}.proto`))
  const all = loadSync(files, { includeDirs: [proto], keepCase: true, enums: String })
  const server = new Server()
  for (const name of ['JobService', 'OperateService', 'AccountingService']) {
    const service = all[`pilotage.v1.${name}`] as ServiceDefinition
    const handlers: UntypedServiceImplementation = {}
    for (const [method, { responseType, responseStream }] of Object.entries(service)) {
      const answer = messageOf(all, shapeOf(responseType), text, 0) as object
      handlers[method] = responseStream
        ? (call: Writing) => {
            call.write(answer)
            call.end()
          }
        : (_: unknown, callback: Answering) => callback(null, answer)
    }
    server.addService(service, handlers)
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    )
  })
  return {
    server: `127.0.0.1:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.forceShutdown()
        resolve()
      }),
  }
}

function shapeOf(definition: AnyDefinition | object): Shape {
  return (definition as MessageTypeDefinition<object, object>).type as Shape
}

function messageOf(all: Readonly<Record<string, AnyDefinition>>, shape: Shape, text: string, depth: number): unknown {
  const fields = shape.field.flatMap((field) => {
    const { name, label } = field
    const nested = shape.nestedType.find((one) => field.typeName.endsWith(one.name))
    if (nested?.name.endsWith('Entry')) return [[name, { [text]: textOr(nested.field[1], text) }] as const]
    const value = name === 'next_page_token' ? '' : fieldValue(all, field, text, depth)
    if (value === undefined) return []
    return [[name, label === 'LABEL_REPEATED' ? [value] : value] as const]
  })
  return Object.fromEntries(fields)
}

function textOr(field: Field | undefined, text: string): unknown {
  return field?.type === 'TYPE_STRING' ? text : 1
}

function fieldValue(all: Readonly<Record<string, AnyDefinition>>, field: Field, text: string, depth: number): unknown {
  switch (field.type) {
    case 'TYPE_STRING':
      return text
    case 'TYPE_BYTES':
      return Buffer.from(text)
    case 'TYPE_BOOL':
      return true
    case 'TYPE_ENUM':
      return 1
    case 'TYPE_MESSAGE': {
      const name = field.typeName.replace(/^\./, '')
      const found = all[name] ?? all[`pilotage.v1.${name}`]
      if (/Timestamp|Duration/.test(name)) return { seconds: 1 }
      return found && depth < maxDepth ? messageOf(all, shapeOf(found), text, depth + 1) : undefined
    }
    default:
      return 1
  }
}
