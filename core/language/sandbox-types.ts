/**
 * The types of the two fields of a job that name files: as the types of field-types.ts.
 *
 * In a document an input file may be a local one, whose digest is not known yet; the client puts it and writes the digest.
 * The service takes digests alone.
 */

import { shown } from '../kernel/errors.ts'
import { sandboxLimits } from '../kernel/sandbox-limits.ts'
import { bytesText } from '../kernel/quantities.ts'
import {
  clashingPaths,
  digestForm,
  type InputFile,
  isDigest,
  sandboxPathForm,
  sandboxPathProblem,
} from '../model/sandbox-file.ts'
import {
  type FieldType,
  isMapping,
  joined,
  readList,
  type Refuse,
  refuseUnknown,
  writtenList,
  wrongShape,
} from './field-types.ts'
import { outputPatternForm, outputPatternProblem } from './output-patterns.ts'

type Written =
  | string
  | { readonly from: string; readonly path?: string; readonly executable?: true }
  | Omit<InputFile, 'from'>

const localSchema = { type: 'string', minLength: 1, maxLength: sandboxLimits.pathBytes }

export function inputFileList(): FieldType<readonly InputFile[]> {
  return {
    read(value, path, refuse) {
      if (!Array.isArray(value)) return wrongShape(value, path, refuse, 'not a list of files', '[data.txt, folder]')
      const read = value.map((item, at) => readInput(item, `${path}[${at}]`, refuse))
      return read.every((file) => file !== undefined) ? read : undefined
    },
    write: (value) => (value.length > 0 ? value.map(writtenInput) : undefined),
    check: checkInputs,
    empty: [],
    schema: {
      type: 'array',
      maxItems: sandboxLimits.inputFiles,
      items: {
        oneOf: [
          localSchema,
          {
            type: 'object',
            properties: { from: localSchema, path: localSchema, executable: { type: 'boolean' } },
            required: ['from'],
            additionalProperties: false,
          },
          {
            type: 'object',
            properties: {
              path: localSchema,
              digest: { type: 'string', pattern: '^[0-9a-f]{64}$' },
              bytes: { type: 'integer', minimum: 0, maximum: sandboxLimits.fileBytes },
              executable: { type: 'boolean' },
            },
            required: ['path', 'digest', 'bytes'],
            additionalProperties: false,
          },
        ],
      },
    },
    documented: {
      fallback: 'none',
      min: '0',
      max: `${sandboxLimits.inputFiles}, of ${bytesText(sandboxLimits.fileBytes)} each`,
    },
  }
}

function readInput(value: unknown, path: string, refuse: Refuse): InputFile | undefined {
  const local = (from: string, into: string, executable = false): InputFile => {
    return { path: withoutSlash(into), digest: '', bytes: 0, executable, from: withoutSlash(from) }
  }
  if (typeof value === 'string') return local(value, value)
  const accepted = 'a path, { from, path, executable }, or { path, digest, bytes, executable }'
  if (!isMapping(value)) return wrongShape(value, path, refuse, 'not a file', accepted)
  const known = 'from' in value ? ['from', 'path', 'executable'] : ['path', 'digest', 'bytes', 'executable']
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue
    refuseUnknown(joined(path, key), key, value[key], known, refuse)
    return undefined
  }
  const { from, path: into = from, digest, bytes, executable = false } = value
  if (typeof executable !== 'boolean' || typeof into !== 'string')
    return wrongShape(value, path, refuse, 'not a file', accepted)
  if (typeof from === 'string') return local(from, into, executable)
  if (typeof digest !== 'string' || typeof bytes !== 'number') return wrongShape(value, path, refuse, 'not a file', accepted)
  return { path: into, digest, bytes, executable }
}

/** A folder may be written with a slash at its end. */
function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

function writtenInput({ from, path, digest, bytes, executable }: InputFile): Written {
  if (from === undefined) return { path, digest, bytes, executable }
  if (path === from && !executable) return from
  return { from, ...(path === from ? {} : { path }), ...(executable ? { executable } : {}) }
}

function checkInputs(raw: readonly InputFile[], path: string, refuse: Refuse): readonly InputFile[] {
  if (raw.length > sandboxLimits.inputFiles) {
    refuse(path, `${raw.length} files`, 'too many', `at most ${sandboxLimits.inputFiles}`)
    return raw
  }
  raw.forEach(({ path: into, digest, bytes, from }, at) => {
    const here = `${path}[${at}]`
    const problem = sandboxPathProblem(into) ?? (from === undefined ? undefined : sandboxPathProblem(from))
    if (problem !== undefined) refuse(here, into, `not a path of a sandbox: ${problem}`, sandboxPathForm)
    if (from !== undefined) return
    if (!isDigest(digest)) refuse(`${here}.digest`, digest, 'not a digest', digestForm)
    if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > sandboxLimits.fileBytes)
      refuse(`${here}.bytes`, bytes, 'too large', `at most ${bytesText(sandboxLimits.fileBytes)}`)
  })
  const clash = clashingPaths(raw.map((file) => file.path))
  if (clash) refuse(path, shown(clash.join(' and ')), 'cannot both be there', 'one file per path')
  // In one order of fields: the digest of a submission is made of the text.
  return raw.map(({ path: into, digest, bytes, executable, from }) => ({
    path: into,
    digest,
    bytes,
    executable,
    ...(from === undefined ? {} : { from }),
  }))
}

export function outputPatterns(): FieldType<readonly string[]> {
  return {
    read: (value, path, refuse) => readList(value, path, refuse, { min: 1, max: sandboxLimits.patternLength }),
    write: writtenList,
    check(raw, path, refuse) {
      if (raw.length > sandboxLimits.outputPatterns) {
        refuse(path, `${raw.length} patterns`, 'too many', `at most ${sandboxLimits.outputPatterns}`)
        return raw
      }
      raw.forEach((pattern, at) => {
        const problem = outputPatternProblem(pattern)
        if (problem !== undefined) refuse(`${path}[${at}]`, pattern, `not a pattern: ${problem}`, outputPatternForm)
      })
      return raw
    },
    empty: [],
    schema: {
      type: 'array',
      maxItems: sandboxLimits.outputPatterns,
      items: { type: 'string', minLength: 1, maxLength: sandboxLimits.patternLength },
    },
    documented: { fallback: 'none', min: '0', max: String(sandboxLimits.outputPatterns) },
  }
}
