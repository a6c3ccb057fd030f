/**
 * Server reflection: clients without the .proto files ask here what this port serves. Version 1 and v1alpha, which older
 * clients speak: the messages are the same.
 *
 * Open to every caller, as health is: a descriptor says nothing of the installation. What is handed out is charged to the
 * caller like any other bytes, and each wait ends as in stream.ts. A file goes out once per stream.
 */

import { type handleBidiStreamingCall, status } from '@grpc/grpc-js'
import type { Clock } from '../../../core/kernel/clock.ts'
import { loadLimits } from '../../../core/kernel/limits.ts'
import type { Log } from '../../../core/ports/log.ts'
import {
  type ServerReflectionRequest,
  ServerReflectionResponse,
  ServerReflectionService,
} from '../../../proto/gen/grpc/reflection/v1/reflection.ts'
import type { Admission } from './admission.ts'
import type { DescriptorFile, Descriptors } from './descriptors.ts'
import { refusalOf } from './refusal.ts'
import { goneSignal, received, written } from './stream.ts'

const { serverReflectionInfo } = ServerReflectionService
const method = 'serverReflectionInfo'

export const reflectionServices = {
  v1: ServerReflectionService,
  v1alpha: {
    serverReflectionInfo: { ...serverReflectionInfo, path: serverReflectionInfo.path.replace('.v1.', '.v1alpha.') },
  },
} as const

type Handlers = {
  readonly serverReflectionInfo: handleBidiStreamingCall<ServerReflectionRequest, ServerReflectionResponse>
}

export function reflectionHandlers(
  descriptors: Descriptors,
  { clock, log, callerOf }: { readonly clock: Clock; readonly log: Log } & Pick<Admission, 'callerOf'>,
): Handlers {
  type Call = Parameters<Handlers['serverReflectionInfo']>[0]
  const answerAll = async (call: Call): Promise<void> => {
    const { load } = callerOf(call.metadata)
    const gone = goneSignal(call)
    const sent = new Set<string>()
    for await (const request of received<ServerReflectionRequest>(clock, call, gone)) {
      const answer = answerTo(descriptors, sent, request)
      load.charge(ServerReflectionResponse.encode(answer).finish().length / loadLimits.bytesPerUnit)
      if (!(await written(clock, call, gone, answer))) return
      await load.pace(gone)
    }
  }
  return {
    serverReflectionInfo(call) {
      call.on('error', () => {})
      answerAll(call).then(
        () => call.end(),
        (error: unknown) => call.emit('error', refusalOf(log, method, error)),
      )
    },
  }
}

type Found = Pick<
  ServerReflectionResponse,
  'fileDescriptorResponse' | 'allExtensionNumbersResponse' | 'listServicesResponse' | 'errorResponse'
>

function answerTo(descriptors: Descriptors, sent: Set<string>, request: ServerReflectionRequest): ServerReflectionResponse {
  const found = foundFor(descriptors, sent, request)
  return ServerReflectionResponse.fromPartial({ validHost: request.host, originalRequest: request, ...found })
}

function foundFor(descriptors: Descriptors, sent: Set<string>, request: ServerReflectionRequest): Partial<Found> {
  const { fileByFilename, fileContainingSymbol, fileContainingExtension, allExtensionNumbersOfType } = request
  if (request.listServices !== undefined) {
    return { listServicesResponse: { service: descriptors.services.map((name) => ({ name })) } }
  }
  if (fileByFilename !== undefined) {
    return filesOr(descriptors.fileNamed(fileByFilename), sent, `no file ${fileByFilename}`)
  }
  if (fileContainingSymbol !== undefined) {
    const symbol = fileContainingSymbol.replace(/^\./, '')
    return filesOr(descriptors.fileDeclaring(symbol), sent, `no symbol ${symbol}`)
  }
  if (fileContainingExtension !== undefined) {
    const { containingType, extensionNumber } = fileContainingExtension
    return refused(status.NOT_FOUND, `no extension ${extensionNumber} of ${containingType}`)
  }
  if (allExtensionNumbersOfType !== undefined) {
    const baseTypeName = allExtensionNumbersOfType.replace(/^\./, '')
    // Nothing that is served extends a message.
    return descriptors.isMessage(baseTypeName)
      ? { allExtensionNumbersResponse: { baseTypeName, extensionNumber: [] } }
      : refused(status.NOT_FOUND, `no message ${baseTypeName}`)
  }
  return refused(status.INVALID_ARGUMENT, 'the request asks for nothing')
}

/** The file that is asked for goes out again if it must; what it imports only once. */
function filesOr(files: readonly DescriptorFile[] | undefined, sent: Set<string>, missing: string): Partial<Found> {
  if (!files) return refused(status.NOT_FOUND, missing)
  const fresh = files.filter(({ path }, at) => at === 0 || !sent.has(path))
  for (const { path } of files) sent.add(path)
  return { fileDescriptorResponse: { fileDescriptorProto: fresh.map(({ bytes }) => bytes) } }
}

function refused(errorCode: status, errorMessage: string): Partial<Found> {
  return { errorResponse: { errorCode, errorMessage } }
}
