/**
 * The descriptors of everything that this port serves, as reflection hands them out: proto/gen/contract.binpb, which buf
 * builds from the .proto files and `npm run check` keeps up to date. Each file stays one, with its own names, comments and
 * imports.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createFileRegistry, type FileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  type FileDescriptorSet,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt'

export type Descriptors = {
  /** Full names of all services, in order. */
  readonly services: readonly string[]
  /** A file and all that it imports, at any depth, each by its path; undefined: there is no such file. */
  fileNamed(path: string): readonly DescriptorFile[] | undefined
  /** The same of the file that declares the symbol. */
  fileDeclaring(symbol: string): readonly DescriptorFile[] | undefined
  isMessage(name: string): boolean
}

export type DescriptorFile = { readonly path: string; readonly bytes: Buffer }

const path = join(import.meta.dirname, '../../../proto/gen/contract.binpb')
/** It is the same as long as the program runs. */
let kept: { readonly set: FileDescriptorSet; readonly registry: FileRegistry } | undefined

function contract(): NonNullable<typeof kept> {
  if (kept) return kept
  const set = fromBinary(FileDescriptorSetSchema, readFileSync(path))
  kept = { set, registry: createFileRegistry(set) }
  return kept
}

/** The contract's messages and fields, each with what it refers to. */
export function contractTypes(): FileRegistry {
  return contract().registry
}

export function readDescriptors(): Descriptors {
  const { file: files } = contract().set
  const byPath = new Map(files.map((file) => [file.name, file]))
  const bytesOf = new Map(files.map((file) => [file.name, Buffer.from(toBinary(FileDescriptorProtoSchema, file))]))
  const pathOf = new Map(files.flatMap((file) => symbolsOf(file).map((symbol) => [symbol, file.name] as const)))
  const messages = new Set(files.flatMap(({ package: name, messageType }) => messageType.flatMap((of) => namesOf(of, name))))

  function withImports(path: string): readonly DescriptorFile[] | undefined {
    if (!byPath.has(path)) return undefined
    const found = new Set([path])
    // A set also goes through what is added on the way.
    for (const each of found) for (const imported of byPath.get(each)?.dependency ?? []) found.add(imported)
    return [...found].flatMap((each) => {
      const bytes = bytesOf.get(each)
      return bytes ? [{ path: each, bytes }] : []
    })
  }

  return {
    services: files.flatMap(({ package: name, service }) => service.map((each) => within(name, each.name))).sort(),
    fileNamed: withImports,
    fileDeclaring(symbol) {
      const path = pathOf.get(symbol)
      return path === undefined ? undefined : withImports(path)
    },
    isMessage: (name) => messages.has(name),
  }
}

function within(scope: string, name: string): string {
  return scope === '' ? name : `${scope}.${name}`
}

function symbolsOf({ package: name, messageType, enumType, service, extension }: FileDescriptorProto): string[] {
  return [
    ...messageType.flatMap((message) => symbolsOfMessage(message, name)),
    ...enumType.flatMap((each) => symbolsOfEnum(each, name)),
    ...extension.map((field) => within(name, field.name)),
    ...service.flatMap((each) => {
      const own = within(name, each.name)
      return [own, ...each.method.map((method) => `${own}.${method.name}`)]
    }),
  ]
}

function symbolsOfMessage(message: DescriptorProto, scope: string): string[] {
  const own = within(scope, message.name)
  return [
    own,
    ...[...message.field, ...message.oneofDecl, ...message.extension].map(({ name }) => `${own}.${name}`),
    ...message.nestedType.flatMap((nested) => symbolsOfMessage(nested, own)),
    ...message.enumType.flatMap((each) => symbolsOfEnum(each, own)),
  ]
}

/** The values of an enum stand beside it, not in it. */
function symbolsOfEnum({ name, value }: EnumDescriptorProto, scope: string): string[] {
  return [name, ...value.map((each) => each.name)].map((each) => within(scope, each))
}

function namesOf({ name, nestedType }: DescriptorProto, scope: string): string[] {
  const own = within(scope, name)
  return [own, ...nestedType.flatMap((nested) => namesOf(nested, own))]
}
