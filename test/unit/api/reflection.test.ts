/**
 * Server reflection over a real connection: what a client without .proto files learns of everything that the port serves.
 *
 * The answers are put together by the rules of protobuf, which refuse a name that does not resolve and a map entry that is
 * none.
 */

import { create, createFileRegistry, type FileRegistry, fromBinary } from '@bufbuild/protobuf'
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionService,
} from '../../../proto/gen/grpc/reflection/v1/reflection.ts'
import { JobServiceService } from '../../../proto/gen/pilotage/v1/job.ts'
import { OperateServiceService } from '../../../proto/gen/pilotage/v1/operate.ts'
import { VmServiceService } from '../../../proto/gen/pilotage/v1/vm.ts'
import { type ApiInParts, startApiInParts } from '../../support/api-in-parts.ts'

const served = [
  'grpc.health.v1.Health',
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
  'pilotage.v1.AccountingService',
  'pilotage.v1.JobService',
  'pilotage.v1.OperateService',
  'pilotage.v1.SandboxService',
  'pilotage.v1.VmService',
]

let api: ApiInParts
beforeAll(async () => {
  api = await startApiInParts()
})
afterAll(() => api.stop())

type Asked = Partial<ServerReflectionRequest>

async function ask(version: 'v1' | 'v1alpha', ...asked: readonly Asked[]): Promise<readonly ServerReflectionResponse[]> {
  const { serverReflectionInfo: method } = ServerReflectionService
  const path = method.path.replace('.v1.', `.${version}.`)
  const requests = asked.map((each) => ServerReflectionRequest.fromPartial(each))
  const { code, responses } = await api.raw.call({ ...method, path }, requests)
  expect(code).toBe(0)
  expect(responses).toHaveLength(asked.length)
  return responses
}

function filesIn(answers: readonly ServerReflectionResponse[]): readonly FileDescriptorProto[] {
  const bytes = answers.flatMap(({ fileDescriptorResponse }) => fileDescriptorResponse?.fileDescriptorProto ?? [])
  return bytes.map((each) => fromBinary(FileDescriptorProtoSchema, each))
}

/** Throws where a name does not resolve. */
function registryOf(files: readonly FileDescriptorProto[]): FileRegistry {
  const byPath = new Map(files.map((file) => [file.name, file]))
  const inOrder = new Set<FileDescriptorProto>()
  const add = (path: string): void => {
    const file = byPath.get(path)
    for (const imported of file?.dependency ?? []) add(imported)
    if (file) inOrder.add(file)
  }
  for (const path of byPath.keys()) add(path)
  return createFileRegistry(create(FileDescriptorSetSchema, { file: [...inOrder] }))
}

describe.each(['v1', 'v1alpha'] as const)('reflection %s', (version) => {
  it('lists every service of the port, health and itself included', async () => {
    const [answer] = await ask(version, { listServices: '' })
    expect(answer?.listServicesResponse?.service.map(({ name }) => name)).toEqual(served)
  })

  it.each(served)('describes %s with all that it needs, in one answer', async (name) => {
    const registry = registryOf(filesIn(await ask(version, { fileContainingSymbol: name })))
    expect(registry.getService(name)?.methods.length).toBeGreaterThan(0)
  })

  it('describes every method that the port serves, by its name on the wire', async () => {
    const registry = registryOf(filesIn(await ask(version, ...served.map((name) => ({ fileContainingSymbol: name })))))
    for (const service of [JobServiceService, OperateServiceService, VmServiceService]) {
      for (const { path, requestStream, responseStream } of Object.values(service)) {
        const [, name = '', methodName] = path.split('/')
        const method = registry.getService(name)?.methods.find((each) => each.name === methodName)
        expect(method?.proto, path).toMatchObject({ clientStreaming: requestStream, serverStreaming: responseStream })
      }
    }
  })
})

describe('descriptors', () => {
  it('are one per .proto file, with the names of the file, and its comments', async () => {
    const files = filesIn(await ask('v1', { fileContainingSymbol: 'pilotage.v1.OperateService' }))
    expect(files.map(({ name }) => name)).toEqual([
      'pilotage/v1/operate.proto',
      'google/protobuf/duration.proto',
      'google/protobuf/timestamp.proto',
      'pilotage/v1/job.proto',
    ])
    const job = files.find(({ name }) => name === 'pilotage/v1/job.proto')
    const spec = job?.messageType.find(({ name }) => name === 'JobSpec')
    expect(spec?.field.find(({ number }) => number === 7)).toMatchObject({ name: 'max_attempts', jsonName: 'maxAttempts' })
    const environment = spec?.field.find(({ name }) => name === 'environment')
    expect(environment?.typeName).toBe('.pilotage.v1.JobSpec.EnvironmentEntry')
    expect(spec?.nestedType).toMatchObject([{ name: 'EnvironmentEntry', options: { mapEntry: true } }])
    const comments = job?.sourceCodeInfo?.location.map(({ leadingComments }) => leadingComments.trim())
    expect(comments).toContain('What a user submits. The same message brings a job to its pilot, so it keeps plain numbers.')
  })

  it.each([
    ['a file', { fileByFilename: 'pilotage/v1/vm.proto' }, 'pilotage/v1/vm.proto'],
    ['a message', { fileContainingSymbol: 'pilotage.v1.JobSpec' }, 'pilotage/v1/job.proto'],
    ['a message with the dot of a full name', { fileContainingSymbol: '.pilotage.v1.JobSpec' }, 'pilotage/v1/job.proto'],
    ['the entry of a map', { fileContainingSymbol: 'pilotage.v1.JobSpec.EnvironmentEntry' }, 'pilotage/v1/job.proto'],
    ['a field', { fileContainingSymbol: 'pilotage.v1.JobSpec.max_attempts' }, 'pilotage/v1/job.proto'],
    ['a oneof', { fileContainingSymbol: 'pilotage.v1.Fact.data' }, 'pilotage/v1/job.proto'],
    ['a method', { fileContainingSymbol: 'pilotage.v1.VmService.Beat' }, 'pilotage/v1/vm.proto'],
    ['a value of an enum', { fileContainingSymbol: 'pilotage.v1.JOB_STATE_DONE' }, 'pilotage/v1/job.proto'],
    ['the details of refusals', { fileContainingSymbol: 'google.rpc.BadRequest' }, 'google/rpc/error_details.proto'],
  ])('are found by %s', async (_, asked, path) => {
    expect(filesIn(await ask('v1', asked))[0]?.name).toBe(path)
  })

  it('go out once per stream, except what is asked for', async () => {
    const symbol = { fileContainingSymbol: 'pilotage.v1.JobService' }
    const [first, second] = (await ask('v1', symbol, symbol)).map((answer) => filesIn([answer]).map(({ name }) => name))
    expect(first).toHaveLength(3)
    expect(second).toEqual(['pilotage/v1/job.proto'])
  })

  it.each([
    ['a file', { fileByFilename: 'nothing.proto' }, 5],
    ['a symbol', { fileContainingSymbol: 'pilotage.v1.Nothing' }, 5],
    ['an extension', { fileContainingExtension: { containingType: 'pilotage.v1.JobSpec', extensionNumber: 9 } }, 5],
    ['a message', { allExtensionNumbersOfType: 'pilotage.v1.Nothing' }, 5],
    ['nothing', {}, 3],
  ])('that are not there are refused, and the stream goes on: %s', async (_, asked, errorCode) => {
    const [refused, after] = await ask('v1', asked, { listServices: '' })
    expect(refused?.errorResponse).toMatchObject({ errorCode })
    expect(refused?.originalRequest).toMatchObject(asked)
    expect(after?.listServicesResponse?.service).toHaveLength(served.length)
  })

  it('say of a message without extensions that there are none', async () => {
    const [answer] = await ask('v1', { allExtensionNumbersOfType: 'pilotage.v1.JobSpec' })
    expect(answer?.allExtensionNumbersResponse).toEqual({ baseTypeName: 'pilotage.v1.JobSpec', extensionNumber: [] })
  })
})
