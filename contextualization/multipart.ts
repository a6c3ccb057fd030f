/**
 * An operator's own document beside ours, where the two cannot be one: user data in several parts, as cloud-init reads them.
 *
 * Decides what a document is by how it begins, as cloud-init does. What stays true: equal parts give equal text, boundaries
 * included; what is not plain ASCII goes encoded, since cloud-init would read it wrong; and our part adds to the lists of a
 * cloud-config that comes before it, whatever cloud-init does by default.
 */

import { createHash } from 'node:crypto'

export type Part = { readonly type: string; readonly text: string }

export const cloudConfigType = 'text/cloud-config'

/** The longest that fits says what a document is. */
const types: Readonly<Record<string, string>> = {
  '#!': 'text/x-shellscript',
  '## template: jinja': 'text/jinja2',
  '#cloud-boothook': 'text/cloud-boothook',
  '#cloud-config': cloudConfigType,
  '#cloud-config-archive': 'text/cloud-config-archive',
  '#cloud-config-jsonp': 'text/cloud-config-jsonp',
  '#include': 'text/x-include-url',
  '#include-once': 'text/x-include-once-url',
  '#part-handler': 'text/part-handler',
}

export const documentBeginnings = Object.keys(types)

/** Undefined for what cloud-init would not know either. */
export function typeOf(text: string): string | undefined {
  const [found] = documentBeginnings.filter((begin) => text.startsWith(begin)).sort((a, b) => b.length - a.length)
  return found === undefined ? undefined : types[found]
}

/** In the order in which cloud-init takes them. */
export function multipart(parts: readonly Part[]): string {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex')
  const boundary = `==pilotage-${hash.slice(0, 32)}==`
  return [
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    'MIME-Version: 1.0',
    '',
    ...parts.flatMap((part, at) => [`--${boundary}`, ...partLines(part, at)]),
    `--${boundary}--`,
    '',
  ].join('\n')
}

function partLines({ type, text }: Part, at: number): readonly string[] {
  const isPlain = /^[\t\n\x20-\x7e]*$/.test(text)
  const body = isPlain
    ? [text]
    : (Buffer.from(text)
        .toString('base64')
        .match(/.{1,76}/g) ?? [])
  return [
    `Content-Type: ${type}; charset="${isPlain ? 'us-ascii' : 'utf-8'}"`,
    'MIME-Version: 1.0',
    `Content-Transfer-Encoding: ${isPlain ? '7bit' : 'base64'}`,
    `Content-Disposition: attachment; filename="part-${at + 1}"`,
    // By default the lists of a later cloud-config would take the place of the earlier one's.
    ...(type === cloudConfigType ? ['Merge-Type: list(append)+dict(no_replace,recurse_list)+str()'] : []),
    '',
    ...body,
  ]
}
