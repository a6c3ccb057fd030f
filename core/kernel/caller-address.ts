/** Under which address callers are counted: one customer has one IPv4 address, or one network of IPv6. */

/** IPv4 as it is, also where the kernel shows it as IPv6; of IPv6 the network of 64 bits that one customer has. */
export function addressOf(remote: string | undefined): string {
  const text = remote ?? 'unknown'
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)
  if (mapped) return mapped[1] ?? text
  if (!text.includes(':')) return text
  const [left = '', right] = text.split('%')[0]?.split('::') ?? []
  const groups = left === '' ? [] : left.split(':')
  const zeros = right === undefined ? 0 : 8 - groups.length - (right === '' ? 0 : right.split(':').length)
  const whole = [...groups, ...Array.from({ length: zeros }, () => '0'), ...(right ? right.split(':') : [])]
  return `${whole.slice(0, 4).join(':')}::/64`
}
