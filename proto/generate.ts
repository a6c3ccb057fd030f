/**
 * Generate proto/gen from proto/pilotage, or with --check say whether the committed code is up to date.
 *
 * The generator (buf) is a devDependency, so its version and the digests of its programs stand in the lock file.
 */

import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const here = import.meta.dirname
const buf = join(here, '../node_modules/.bin/buf')
const options = [
  'outputServices=grpc-js',
  'esModuleInterop=true',
  'env=node',
  'importSuffix=.ts',
  'forceLong=number',
  'useOptionals=none',
  'outputJsonMethods=false',
  'outputClientImpl=grpc-js',
  'removeEnumPrefix=true',
  // Node runs the sources as they are, and an enum of TypeScript cannot be erased.
  'enumsAsLiterals=true',
]

export function generate(outDir: string): void {
  const template = {
    version: 'v2',
    plugins: [{ local: ['node', join(here, '../node_modules/ts-proto/protoc-gen-ts_proto')], out: outDir, opt: options }],
  }
  execFileSync(buf, ['generate', here, '--template', JSON.stringify(template)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  for (const [name, text] of files(outDir)) writeFileSync(join(outDir, name), withEveryKey(text))
}

/**
 * The generator writes a map's entries by assignment, and an assignment to the key `__proto__` changes nothing: what a stranger
 * sent would be gone before it is checked. It becomes a key like any other.
 */
function withEveryKey(text: string): string {
  const defined = (map: string, key: string, value: string): string =>
    `globalThis.Object.defineProperty(${map}, ${key}, { value: ${value}, enumerable: true, configurable: true, writable: true });`
  return text
    .replace(/(message\.\w+)\[(entry\d+)\.key\] = (entry\d+\.value);/g, (_, map, entry, value) =>
      defined(map, `${entry}.key`, value),
    )
    .replace(/\bacc\[key\] = (.+);$/gm, (_, value) => defined('acc', 'key', value))
}

function files(dir: string): Map<string, string> {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'))
  return new Map(names.sort().map((name) => [name, readFileSync(join(dir, name), 'utf8')]))
}

if (import.meta.main) {
  const scratch = mkdtempSync(join(tmpdir(), 'pilotage-proto-'))
  try {
    generate(scratch)
    const committed = join(here, 'gen')
    if (process.argv.includes('--check')) {
      const fresh = files(scratch)
      const kept = files(committed)
      const stale = [...new Set([...fresh.keys(), ...kept.keys()])].filter((name) => fresh.get(name) !== kept.get(name))
      if (stale.length > 0) throw new Error(`proto/gen is out of date, run npm run proto: ${stale.join(', ')}`)
    } else {
      rmSync(committed, { recursive: true, force: true })
      cpSync(scratch, committed, { recursive: true })
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
