/**
 * The style sheet, the script and the icon: read once at the start, named by their content, so that a browser keeps each
 * for good and never shows a new page with an old style.
 */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

const types = {
  'pilotage.css': 'text/css; charset=utf-8',
  'pilotage.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
} as const

export type AssetName = keyof typeof types

export type Assets = {
  /** The path of each, as a page links it. */
  readonly paths: Readonly<Record<AssetName, string>>
  /** By path. */
  readonly files: ReadonlyMap<string, { readonly type: string; readonly content: Buffer }>
}

export async function readAssets(): Promise<Assets> {
  const names = Object.keys(types) as AssetName[]
  const read = await Promise.all(names.map(async (name) => ({ name, content: await contentOf(name) })))
  const named = read.map(({ name, content }) => ({ name, content, path: pathOf(name, content) }))
  return {
    paths: Object.fromEntries(named.map(({ name, path }) => [name, path])) as Assets['paths'],
    files: new Map(named.map(({ name, content, path }) => [path, { type: types[name], content }])),
  }
}

function contentOf(name: AssetName): Promise<Buffer> {
  return readFile(new URL(`./assets/${name}`, import.meta.url))
}

function pathOf(name: AssetName, content: Buffer): string {
  const digest = createHash('sha256').update(content).digest('hex').slice(0, 12)
  return `/assets/${digest}-${name}`
}
