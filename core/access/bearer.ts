/**
 * The header or metadata key `authorization`. The scheme's case does not matter, and one space or more follow it (RFC 9110,
 * 11.4).
 */

const bearer = /^bearer +(\S+)$/i

/** The token; undefined: the text is no bearer's. */
export function bearerToken(authorization: string): string | undefined {
  return bearer.exec(authorization)?.[1]
}
