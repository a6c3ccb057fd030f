/**
 * One text of arguments as a list, as a POSIX shell splits it, and back. Nothing is expanded: no variable, no pattern.
 */

/** Undefined: a quote is not closed, or a backslash stands at the end. */
export function splitWords(text: string): readonly string[] | undefined {
  const words: string[] = []
  let word: string[] | undefined
  for (let at = 0; at < text.length; at += 1) {
    const letter = text.charAt(at)
    if (/\s/.test(letter)) {
      if (word) words.push(word.join(''))
      word = undefined
      continue
    }
    word ??= []
    if (letter === "'") {
      const end = text.indexOf("'", at + 1)
      if (end < 0) return undefined
      word.push(text.slice(at + 1, end))
      at = end
    } else if (letter === '"') {
      const end = quoted(text, at, word)
      if (end < 0) return undefined
      at = end
    } else if (letter === '\\') {
      at += 1
      if (at === text.length) return undefined
      word.push(text.charAt(at))
    } else word.push(letter)
  }
  if (word) words.push(word.join(''))
  return words
}

/** Between double quotes a backslash hides only `"`, `\`, `$` and a backquote. Answers where the text ends. */
function quoted(text: string, from: number, word: string[]): number {
  for (let at = from + 1; at < text.length; at += 1) {
    const letter = text.charAt(at)
    if (letter === '"') return at
    const next = text.charAt(at + 1)
    if (letter === '\\' && next !== '' && '"\\$`'.includes(next)) {
      word.push(next)
      at += 1
    } else word.push(letter)
  }
  return -1
}

/** A text that `splitWords` splits into the same words. */
export function joinWords(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(' ')
}
