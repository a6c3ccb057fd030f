/**
 * Reads user data as this cloud's cloud-init understands it: `write_files` and `runcmd`, and nothing more.
 *
 * Every other key, form or path is refused by name rather than skipped: a document that works here does on a real image what
 * it did here. A refusal never quotes the document, because user data carries a secret.
 */

import { parse } from 'yaml'
import { PilotageError } from '../../../../core/kernel/errors.ts'
import { userDataBytes } from '../../../../core/kernel/limits.ts'

export type WrittenFile = { readonly path: string; readonly mode: number; readonly content: string }

export type UserData = { readonly files: readonly WrittenFile[]; readonly commands: readonly string[] }

/** Throws `cloud-refused` for what this cloud cannot do. */
export function readUserData(text: string): UserData {
  if (Buffer.byteLength(text) > userDataBytes) throw refusal(`it has more than ${userDataBytes} bytes`)
  if (!text.startsWith('#cloud-config\n')) throw refusal('it does not begin with a line #cloud-config')
  const document = recordOf(parsed(text), 'the document', ['write_files', 'runcmd'])
  return {
    files: listOf(document.write_files, 'write_files').map(fileOf),
    commands: listOf(document.runcmd, 'runcmd').map((command, index) => textOf(command, `runcmd[${index}]`)),
  }
}

function parsed(text: string): unknown {
  try {
    // Aliases let a few bytes stand for gigabytes, and no context of ours has one.
    return parse(text, { maxAliasCount: 0, logLevel: 'silent' })
  } catch {
    // The parser's own message shows the lines around the fault: it stays here.
    throw refusal('it is not YAML')
  }
}

function fileOf(entry: unknown, index: number): WrittenFile {
  const at = `write_files[${index}]`
  const file = recordOf(entry, at, ['path', 'content', 'permissions', 'owner'])
  const path = textOf(file.path, `${at}.path`)
  if (!/^(\/[A-Za-z0-9_.-]+)+$/.test(path) || path.split('/').includes('..')) {
    throw refusal(`${at}.path is not a plain absolute path`)
  }
  const permissions = textOf(file.permissions ?? '0644', `${at}.permissions`)
  if (!/^0?[0-7]{3}$/.test(permissions)) throw refusal(`${at}.permissions is not an octal mode`)
  // The service's own user stands for root here, so files of other users cannot be made.
  const owner = textOf(file.owner ?? 'root', `${at}.owner`)
  if (owner !== 'root' && owner !== 'root:root') throw refusal(`${at}.owner is not root`)
  return { path, mode: Number.parseInt(permissions, 8), content: textOf(file.content ?? '', `${at}.content`) }
}

function recordOf(value: unknown, at: string, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw refusal(`${at} is not a mapping`)
  const strange = Object.keys(value).find((key) => !known.includes(key))
  if (strange !== undefined) throw refusal(`${at} has more than ${known.join(', ')}`)
  return value as Readonly<Record<string, unknown>>
}

function listOf(value: unknown, at: string): readonly unknown[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw refusal(`${at} is not a list`)
  return value
}

function textOf(value: unknown, at: string): string {
  if (typeof value !== 'string') throw refusal(`${at} is not text`)
  return value
}

function refusal(why: string): PilotageError {
  return new PilotageError('cloud-refused', `reading user data: ${why}`)
}
