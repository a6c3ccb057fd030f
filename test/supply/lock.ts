/**
 * What package-lock.json has to say of every package, and what the installation and the SBOM have to say of it: pure
 * questions, each answered by its faults, one line each. Nothing is read here; main.ts does that, and the tests ask about
 * broken ones.
 */

export type Entry = {
  readonly version?: string
  readonly integrity?: string
  readonly resolved?: string
  readonly link?: boolean
  readonly hasInstallScript?: boolean
  readonly os?: string | readonly string[]
  readonly cpu?: string | readonly string[]
  readonly libc?: string | readonly string[]
  readonly dependencies?: Names
  readonly devDependencies?: Names
  readonly optionalDependencies?: Names
  readonly peerDependencies?: Names
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
}
type Names = Readonly<Record<string, string>>
/** By where the package lies: `node_modules/a/node_modules/b`. The repository itself is the empty path. */
export type Lock = { readonly packages: Readonly<Record<string, Entry>> }
export type Manifest = Pick<Entry, 'dependencies' | 'devDependencies' | 'optionalDependencies'> & {
  readonly allowScripts?: Readonly<Record<string, boolean>>
}
export type Platform = { readonly os: string; readonly cpu: string; readonly libc: string }
export type Sbom = {
  readonly components: readonly {
    readonly name: string
    readonly version: string
    readonly hashes?: readonly { readonly alg: string; readonly content: string }[]
  }[]
}

const digest = /^sha512-[A-Za-z0-9+/]{86}==$/
const folder = 'node_modules/'

export function nameAt(path: string): string {
  return path.slice(path.lastIndexOf(folder) + folder.length)
}

/** Of the lock file alone, and of package.json beside it. */
export function lockFaults(lock: Lock, manifest: Manifest): readonly string[] {
  const faults: string[] = []
  for (const [path, entry] of packagesOf(lock)) {
    if (entry.link) faults.push(`${path} is a link, so no digest covers it`)
    else if (!digest.test(entry.integrity ?? '')) faults.push(`${path} has no SHA-512 integrity: ${entry.integrity}`)
    // An address here is taken before the registry that the machine is configured with.
    if (entry.resolved !== undefined) faults.push(`${path} names an address: ${entry.resolved}`)
    if (entry.hasInstallScript && manifest.allowScripts?.[nameAt(path)] !== false)
      faults.push(`${path} has an install script, and allowScripts in package.json does not refuse it`)
  }
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const name of Object.keys(needsOf(entry))) {
      if (placeOf(lock, path, name) === undefined) faults.push(`${path || 'package.json'} needs ${name}, which has no entry`)
    }
  }
  for (const [name, version] of Object.entries({ ...needsOf(manifest), ...manifest.devDependencies })) {
    const locked = lock.packages[folder + name]?.version
    if (locked !== version) faults.push(`package.json asks for ${name} ${version}, and the lock file has ${locked}`)
  }
  return faults
}

/** `hidden`: what npm has noted of its own work, node_modules/.package-lock.json. */
export function installedFaults(lock: Lock, hidden: Lock, platform: Platform): readonly string[] {
  const faults: string[] = []
  for (const [path, { version, integrity }] of packagesOf(hidden)) {
    const locked = lock.packages[path]
    if (locked === undefined) faults.push(`${path} is installed, and the lock file has no entry for it`)
    else if (locked.version !== version || locked.integrity !== integrity)
      faults.push(
        `${path} is installed as ${version} ${integrity}, and the lock file has ${locked.version} ${locked.integrity}`,
      )
  }
  // An optional package that npm could not get is skipped without a word.
  for (const path of neededOn(lock, platform)) {
    if (hidden.packages[path] === undefined) faults.push(`${path} is not installed, and this platform needs it`)
  }
  return faults
}

/** Every package of the lock file once, under its digest, and nothing else. */
export function sbomFaults(lock: Lock, sbom: Sbom): readonly string[] {
  const label = (name: string, version: string | undefined, hex: string | undefined): string =>
    `${name}@${version} with SHA-512 ${hex}`
  const wanted = new Set(
    packagesOf(lock).map(([path, { version, integrity = '' }]) =>
      label(nameAt(path), version, Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex')),
    ),
  )
  const listed = new Set(
    sbom.components.map(({ name, version, hashes = [] }) =>
      label(name, version, hashes.find(({ alg }) => alg === 'SHA-512')?.content),
    ),
  )
  return [
    ...[...wanted].filter((one) => !listed.has(one)).map((one) => `the SBOM lacks ${one}`),
    ...[...listed].filter((one) => !wanted.has(one)).map((one) => `the SBOM has ${one}, and the lock file has not`),
  ]
}

function packagesOf(lock: Lock): readonly (readonly [string, Entry])[] {
  return Object.entries(lock.packages).filter(([path]) => path !== '')
}

function needsOf({ dependencies, optionalDependencies }: Entry): Names {
  return { ...dependencies, ...optionalDependencies }
}

/** Where `name` is found from a package: beside it, or in a folder above. */
function placeOf(lock: Lock, from: string, name: string): string | undefined {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf(`/${folder}`)))) {
    const path = at === '' ? folder + name : `${at}/${folder}${name}`
    if (lock.packages[path] !== undefined) return path
    if (at === '') return undefined
  }
}

/** What a walk from the repository reaches on a platform. */
function neededOn(lock: Lock, platform: Platform): ReadonlySet<string> {
  const reached = new Set<string>()
  const walk = (from: string, entry: Entry): void => {
    const peers = Object.keys(entry.peerDependencies ?? {}).filter((name) => !entry.peerDependenciesMeta?.[name]?.optional)
    for (const name of [...Object.keys({ ...needsOf(entry), ...entry.devDependencies }), ...peers]) {
      const path = placeOf(lock, from, name)
      const next = path === undefined ? undefined : lock.packages[path]
      if (path === undefined || next === undefined || reached.has(path) || !fits(next, platform)) continue
      reached.add(path)
      walk(path, next)
    }
  }
  const own = lock.packages['']
  if (own !== undefined) walk('', own)
  return reached
}

function fits({ os, cpu, libc }: Entry, platform: Platform): boolean {
  const has = (accepted: string | readonly string[] | undefined, value: string): boolean =>
    accepted === undefined || [accepted].flat().includes(value)
  return has(os, platform.os) && has(cpu, platform.cpu) && has(libc, platform.libc)
}
