/**
 * Words that a reader has to guess: a sentence with them says too little about who does what. New text does without them,
 * and their count may only fall.
 */

const discouraged = [
  'told',
  'tells?',
  'telling',
  'nobody',
  'somebody',
  'everybody',
  'whoever',
  'so (?:long|many|few)',
  'of late',
  'meanwhile',
  'a word of',
  'comes? to',
  '(?:is|are) to be had',
  'there (?:is|are) to',
  'good for nothing',
]

/** As words of their own, and as parts of a name in camel case. */
const inProse = new RegExp(`(?<![A-Za-z])(?:${discouraged.join('|')})(?![A-Za-z])`, 'gi')
const inNames = /\b(?:tells?|told)[A-Z]\w*|\w(?:Tells?|Told|Nobody|Somebody)(?![a-z])/g

/** Those in a text. */
export function discouragedIn(text: string): readonly string[] {
  return [...text.matchAll(inProse), ...text.matchAll(inNames)].map(([word]) => word)
}

/** How many there are in a text. */
export function discouragedWords(text: string): number {
  return discouragedIn(text).length
}
