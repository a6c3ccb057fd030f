/**
 * How a cloud calls what we call by a name of our own: a flavor, an image. Written as one text in a configuration and in a
 * catalogue entry; read here, so that both mean the same. Knows no cloud: which names and properties exist is theirs to say.
 */

/** By the cloud's own id, by the name there, or by properties that hold of exactly one. */
export type Reference =
  | { readonly by: 'id'; readonly id: string }
  | { readonly by: 'name'; readonly name: string }
  | { readonly by: 'properties'; readonly properties: Readonly<Record<string, string>> }

export const referenceForm = 'id:ID, name:NAME, or properties:KEY=VALUE,KEY=VALUE'

/** Undefined for what is no reference. */
export function parseReference(text: string): Reference | undefined {
  const [, by, rest = ''] = /^(id|name|properties):(.+)$/s.exec(text) ?? []
  if (by === 'id') return { by, id: rest }
  if (by === 'name') return { by, name: rest }
  const pairs = rest.split(',')
  if (by !== 'properties' || pairs.some((pair) => pair.indexOf('=') < 1)) return undefined
  return { by, properties: Object.fromEntries(pairs.map((pair) => splitAt(pair, pair.indexOf('=')))) }
}

function splitAt(pair: string, at: number): readonly [string, string] {
  return [pair.slice(0, at), pair.slice(at + 1)]
}
