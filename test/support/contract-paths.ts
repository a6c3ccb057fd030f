/**
 * Whether the paths of wrong fields are those of the contract: every step of one is a field of its message, by its name
 * there.
 */

import type { DescField, DescMessage } from '@bufbuild/protobuf'
import { contractTypes } from '../../services/api/grpc/descriptors.ts'

/** The paths that lead nowhere in the requests of a method. A method that is not of the contract has none. */
export function strayPaths(method: string, paths: readonly string[]): readonly string[] {
  const [, service = '', name] = method.split('/')
  const found = contractTypes()
    .getService(service)
    ?.methods.find((each) => each.name === name)
  if (!found) return []
  const isSubmissionStream = found.methodKind === 'client_streaming' && name === 'SubmitJobStream'
  return paths.filter((path) => {
    const own = isSubmissionStream ? path.replace(/^messages\[\d+\]\./, '') : path
    return !leadsTo(found.input, own) || (isSubmissionStream && own === path)
  })
}

function leadsTo(message: DescMessage, path: string): boolean {
  const [, name, position, rest] = /^([a-z][a-z0-9_]*)(\[\d+\])?(?:\.(.*))?$/s.exec(path) ?? []
  const field: DescField | undefined = message.fields.find((each) => each.name === name)
  if (!field || (position !== undefined && field.fieldKind !== 'list')) return false
  if (rest === undefined) return true
  // The keys of a map are the caller's own.
  if (field.fieldKind === 'map') return true
  return field.message !== undefined && leadsTo(field.message, rest)
}
