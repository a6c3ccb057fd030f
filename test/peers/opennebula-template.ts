/** The text of an OpenNebula template, read as its own lexer and grammar do: names, quoted values, vectors in brackets. */

export type Attribute = { readonly name: string; readonly value: string | ReadonlyMap<string, string> }

/** Undefined: it is none. */
export function readTemplate(text: string): readonly Attribute[] | undefined {
  const found: Attribute[] = []
  let at = 0
  const take = (shape: RegExp): string | undefined => {
    shape.lastIndex = at
    const match = shape.exec(text)
    if (!match) return undefined
    at = shape.lastIndex
    return match[1] ?? ''
  }
  const value = (): string | undefined => take(/"((?:\\"|[^"])*)"/y)?.replaceAll('\\"', '"')
  const pair = (): readonly [string, string] | undefined => {
    const name = take(/\s*(\w+)[ \t]*=[ \t]*/y)
    const read = name === undefined ? undefined : value()
    return name === undefined || read === undefined ? undefined : [name, read]
  }
  // One such anywhere in a value is a parse error.
  if (text.includes(']]>')) return undefined
  while (take(/(\s*)$/y) === undefined) {
    const name = take(/\s*(\w+)[ \t]*=[ \t]*/y)
    if (name === undefined) return undefined
    if (take(/(\[)\s*/y) === undefined) {
      const read = value()
      if (read === undefined) return undefined
      found.push({ name: name.toUpperCase(), value: read })
      continue
    }
    const vector = new Map<string, string>()
    do {
      const read = pair()
      if (!read) return undefined
      vector.set(read[0].toUpperCase(), read[1])
    } while (take(/\s*(,)\s*/y) !== undefined)
    if (take(/\s*(\])/y) === undefined) return undefined
    found.push({ name: name.toUpperCase(), value: vector })
  }
  return found
}
