/**
 * Keys that had another name in an earlier version. An old name is refused, and the refusal gives the new one: a configuration
 * never has two spellings for one thing. `[]` stands for any index.
 */

const renamedKeys: Readonly<Record<string, string>> = {
  'clouds[].bootDelay': 'clouds[].local.bootDelay',
}

/** The new name of a key, its indices kept; undefined: it has never had another. */
export function renamed(path: string): string | undefined {
  const indices = path.match(/\[\d+\]/g) ?? []
  const now = renamedKeys[path.replaceAll(/\[\d+\]/g, '[]')]
  return now?.replaceAll('[]', () => indices.shift() ?? '[]')
}
