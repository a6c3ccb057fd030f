/** Text that other programs read: words for a POSIX shell, and JSON that is the same whenever it means the same. */

/** As one word, whatever is in it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** JSON with its keys in order: how the caller built the object does not show. */
export function stableJson(value: unknown): string {
  const ordered = (_key: string, part: unknown): unknown =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part
  return JSON.stringify(value, ordered, 2)
}
