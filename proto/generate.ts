/**
 * Generate proto/gen from the .proto files, or with --check say whether what is committed is up to date: the code, and
 * contract.binpb, the descriptors of all files that the service hands out by reflection, with their comments.
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

/** These are served by packages that bring their own code. The descriptors have them all the same. */
const withoutCode = ['grpc/health', 'grpc/reflection/v1alpha'].flatMap((path) => ['--exclude-path', join(here, path)])

function generate(outDir: string): void {
  const template = {
    version: 'v2',
    plugins: [{ local: ['node', join(here, '../node_modules/ts-proto/protoc-gen-ts_proto')], out: outDir, opt: options }],
  }
  runBuf('generate', here, '--template', JSON.stringify(template), ...withoutCode)
  runBuf('build', here, '--as-file-descriptor-set', '--output', join(outDir, 'contract.binpb'))
  for (const [name, text] of files(outDir)) if (name.endsWith('.ts')) writeFileSync(join(outDir, name), withEveryKey(text))
}

function runBuf(...words: readonly string[]): void {
  execFileSync(buf, words, { stdio: ['ignore', 'ignore', 'inherit'] })
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

/** A byte is a character where a file is no text. */
function files(dir: string): Map<string, string> {
  const names = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(?:ts|binpb)$/.test(name))
  return new Map(names.sort().map((name) => [name, readFileSync(join(dir, name), name.endsWith('.ts') ? 'utf8' : 'latin1')]))
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
