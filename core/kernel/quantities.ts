/**
 * Quantities as people write them: `2GiB`, `1.5 GB`, `90s`, `1h30m`. Exact or refused: a plain number is refused, because
 * a reader cannot see whether it means bytes or megabytes, seconds or minutes; and nothing is rounded.
 */

const byteUnits: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1000,
  KB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  TB: 1000 ** 4,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
}

const timeUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

export const bytesForms = 'a number with its unit: 512MiB, 2GiB, 1.5GB, 1TiB'
/** The same as patterns; which units there are, and that the sum is whole, is checked when it is read. */
export const bytesPattern = `^\\d+(\\.\\d+)? ?(${Object.keys(byteUnits).join('|')})$`
export const durationPattern = `^(\\d+(\\.\\d+)? ?(${Object.keys(timeUnits).join('|')}) ?)+$`
export const durationForms = 'a number with its unit: 90s, 30m, 2h, 1h30m, 3d'

/** Bytes; undefined where the text is not a quantity of whole bytes. */
export function parseBytes(text: string): number | undefined {
  const match = /^(\d{1,16}|\d{1,15}\.\d{1,6}) ?([A-Za-z]{1,3})$/.exec(text)
  if (!match) return undefined
  return whole(Number(match[1]) * (byteUnits[match[2] ?? ''] ?? NaN))
}

/** Per second: `100MB/s`. */
export const rateForms = 'a size per second: 100MB/s, 1GiB/s'
export const ratePattern = bytesPattern.replace('$', '/s$')

/** Bytes per second; undefined where the text is not a rate of whole bytes. */
export function parseRate(text: string): number | undefined {
  return text.endsWith('/s') ? parseBytes(text.slice(0, -2)) : undefined
}

/** Milliseconds; undefined where the text is not a duration in whole milliseconds. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d{1,12}(\.\d{1,6})? ?[a-z]{1,3} ?){1,5}$/.test(text)) return undefined
  let totalMs = 0
  let lastUnitMs = Infinity
  for (const [, value, unit] of text.matchAll(/(\d+(?:\.\d+)?) ?([a-z]+)/g)) {
    const unitMs = timeUnits[unit ?? ''] ?? NaN
    // 1h30m, but neither 30m1h nor 1h1h: those are slips.
    if (!(unitMs < lastUnitMs)) return undefined
    lastUnitMs = unitMs
    totalMs += Number(value) * unitMs
  }
  return whole(totalMs)
}

function whole(value: number): number | undefined {
  return Number.isSafeInteger(value) ? value : undefined
}

/** As `parseBytes` reads it back, exactly: in the largest unit of which it is a whole number. */
export function exactBytes(bytes: number): string {
  return exactly(bytes, byteUnits, ['TiB', 'GiB', 'MiB', 'KiB', 'B'])
}

/** As `parseDuration` reads it back, exactly. */
export function exactDuration(ms: number): string {
  return exactly(ms, timeUnits, ['d', 'h', 'min', 's', 'ms'])
}

function exactly(value: number, units: Readonly<Record<string, number>>, names: readonly string[]): string {
  const name = names.find((each) => value % (units[each] ?? 1) === 0) ?? ''
  return `${value / (units[name] ?? 1)}${name}`
}

export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]}`
}

export function exactRate(bytesPerSecond: number): string {
  return `${exactBytes(bytesPerSecond)}/s`
}

export function rateText(bytesPerSecond: number): string {
  return `${bytesText(bytesPerSecond)}/s`
}

export function durationText(ms: number): string {
  const seconds = ms / 1000
  if (seconds < 60) return `${Number(seconds.toFixed(1))} s`
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), Math.floor(seconds % 60)]
  return [hours && `${hours} h`, minutes && `${minutes} min`, rest && `${rest} s`].filter(Boolean).join(' ')
}
