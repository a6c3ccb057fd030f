/**
 * Keys that had another name in an earlier version. An old name is refused, and the refusal gives the new one: a
 * configuration never has two spellings for one thing. `[]` stands for any index.
 */

const renamedKeys: Readonly<Record<string, string>> = {
  'clouds[].boot': 'clouds[].bootTimeout',
  'clouds[].bootDelay': 'clouds[].local.bootDelay',
  'director.every': 'director.interval',
  'vm.beatEvery': 'vm.heartbeatInterval',
  'vm.beatLost': 'vm.heartbeatTimeout',
  'vm.boot': 'vm.bootTimeout',
  'vm.deadMan': 'vm.contactTimeout',
  'vm.idle': 'vm.idleTimeout',
  'vm.leastLife': 'vm.minLifetime',
  'vm.life': 'vm.maxLifetime',
}

/** The new name of a key, its indices kept; undefined: it has never had another. */
export function renamed(path: string): string | undefined {
  const indices = path.match(/\[\d+\]/g) ?? []
  const now = renamedKeys[path.replaceAll(/\[\d+\]/g, '[]')]
  return now?.replaceAll('[]', () => indices.shift() ?? '[]')
}
