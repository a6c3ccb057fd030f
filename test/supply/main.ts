/**
 * The step `supply` of `npm run check`, and with `--sbom FILE` also `npm run sbom`: every package has a digest in the lock
 * file, what is installed is what the lock file says, the Node that runs this is the one whose digest is known, and the SBOM
 * (CycloneDX) that npm makes of the lock file lists all of it. Asks no server. Ends with one line, and with 1 where anything
 * is wrong.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { installedFaults, type Lock, lockFaults, type Manifest, nameAt, type Sbom, sbomFaults } from './lock.ts'
import { thisPlatform } from './platform.ts'

const root = join(import.meta.dirname, '../..')
/** Of npm's list or SBOM of some three hundred packages: under a megabyte today. */
const outputBytes = 64 * 1024 ** 2

const { values } = parseArgs({ options: { sbom: { type: 'string' } } })
const read = <T>(path: string): T => JSON.parse(readFileSync(join(root, path), 'utf8')) as T
const lock = read<Lock>('package-lock.json')
const hidden = read<Lock>('node_modules/.package-lock.json')

const sbomText = execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: outputBytes,
})
const sbom = JSON.parse(sbomText) as Sbom
const faults = [
  ...lockFaults(lock, read<Manifest>('package.json')),
  ...installedFaults(lock, hidden, thisPlatform()),
  ...folderFaults(),
  ...listFaults(),
  ...nodeFaults(),
  ...sbomFaults(lock, sbom),
]
for (const fault of faults) console.log(`error: ${fault}`)
if (values.sbom !== undefined && faults.length === 0) writeFileSync(values.sbom, sbomText)
const figures = [
  `packages=${Object.keys(lock.packages).length - 1}`,
  `installed=${Object.keys(hidden.packages).length}`,
  `sbom=${sbom.components.length}`,
  `result=${faults.length === 0 ? 'ok' : 'FAILED'}`,
]
console.log(`supply: ${figures.join(' ')}`)
process.exitCode = faults.length === 0 ? 0 : 1

/** What lies in node_modules, against what npm has noted: a package that was put there by hand has no note. */
function folderFaults(): readonly string[] {
  const found = globSync('node_modules/{*,@*/*}{,/node_modules/{*,@*/*}}/package.json', { cwd: root })
  const unknown = found
    .map((file) => file.slice(0, -'/package.json'.length))
    .filter((path) => hidden.packages[path] === undefined)
    .map((path) => `${path} lies there, and npm did not install it`)
  const other = Object.entries(hidden.packages).flatMap(([path, { version }]) => {
    if (!existsSync(join(root, path, 'package.json'))) return [`${path} was installed, and is not there`]
    const own = read<{ readonly name: string; readonly version: string }>(`${path}/package.json`)
    const isSame = own.version === version && own.name === nameAt(path)
    return isSame ? [] : [`${path} says that it is ${own.name} ${own.version}, and npm installed ${version}`]
  })
  return [...unknown, ...other]
}

/** npm's own view: a package that is missing, or that another one does not accept. */
function listFaults(): readonly string[] {
  const { status, stderr } = spawnSync('npm', ['ls', '--all'], { cwd: root, encoding: 'utf8', maxBuffer: outputBytes })
  return status === 0 ? [] : [`npm ls --all: exit code ${status}\n${stderr.trim()}`]
}

function nodeFaults(): readonly string[] {
  const { version, sha256 } = read<{ version: string; sha256: Readonly<Record<string, string>> }>(
    'services/api/http/node-programs.json',
  )
  const faults = Object.keys(sha256)
    .map((platform) => `node-${platform}`)
    .filter((name) => lock.packages[`node_modules/${name}`]?.version !== version)
    .map(
      (name) =>
        `the lock file does not have ${name} ${version}, whose digest stands in services/api/http/node-programs.json`,
    )
  const platform = `${process.platform}-${process.arch}`
  const expected = sha256[platform]
  // Elsewhere people run Pilotage with a Node of their own.
  if (expected === undefined) return faults
  if (process.version !== `v${version}`) faults.push(`this runs on Node ${process.version}, and ${version} is expected`)
  const program = join(root, 'node_modules', `node-${platform}`, 'bin/node')
  if (realpathSync(process.execPath) !== realpathSync(program))
    faults.push(`this runs on ${process.execPath}, not on ${program}`)
  const digest = createHash('sha256').update(readFileSync(program)).digest('hex')
  if (digest !== expected)
    faults.push(`${program} has the SHA-256 ${digest}, and services/api/http/node-programs.json has ${expected}`)
  return faults
}
