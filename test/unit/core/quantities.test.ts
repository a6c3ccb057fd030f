import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  bytesPattern,
  bytesText,
  durationPattern,
  durationText,
  exactBytes,
  exactDuration,
  parseBytes,
  parseDuration,
} from '../../../core/kernel/quantities.ts'

describe('bytes', () => {
  it.each([
    ['0B', 0],
    ['1B', 1],
    ['1kB', 1000],
    ['1KB', 1000],
    ['2MB', 2_000_000],
    ['3GB', 3_000_000_000],
    ['4TB', 4_000_000_000_000],
    ['1KiB', 1024],
    ['512MiB', 536_870_912],
    ['2GiB', 2_147_483_648],
    ['1TiB', 1_099_511_627_776],
    ['1.5 GB', 1_500_000_000],
    ['0.5KiB', 512],
    ['9007199254740991B', Number.MAX_SAFE_INTEGER],
  ])('%s is %d', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes)
    expect(text).toMatch(new RegExp(bytesPattern))
  })

  it.each([
    '',
    '1',
    '1.5',
    'GiB',
    '-1B',
    '1 2B',
    '1GiBs',
    'x1GiB',
    '1  GiB',
    '1gib',
    '0.5B',
    '1.0000001GB',
    '9007199254740992B',
  ])('%j is none', (text) => {
    expect(parseBytes(text)).toBeUndefined()
  })

  it('are read back as they are written', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.maxSafeNat(),
          fc.nat(4000).map((many) => many * 1024 ** 3),
        ),
        (bytes) => {
          expect(parseBytes(exactBytes(bytes))).toBe(bytes)
        },
      ),
    )
  })

  it.each([
    [1024, '1KiB'],
    [1023, '1023B'],
    [1536, '1536B'],
    [3 * 1024 ** 3, '3GiB'],
    [1024 ** 4, '1TiB'],
  ])('%d is written exactly as %s', (bytes, text) => {
    expect(exactBytes(bytes)).toBe(text)
  })

  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1 KiB'],
    [1536, '1.5 KiB'],
    [1024 ** 2, '1 MiB'],
    [2.25 * 1024 ** 3, '2.3 GiB'],
    [1024 ** 4, '1 TiB'],
    [5000 * 1024 ** 4, '5000 TiB'],
  ])('%d is shown as %s', (bytes, text) => {
    expect(bytesText(bytes)).toBe(text)
  })
})

describe('a duration', () => {
  it.each([
    ['5ms', 5],
    ['90s', 90_000],
    ['30m', 1_800_000],
    ['30min', 1_800_000],
    ['2h', 7_200_000],
    ['3d', 259_200_000],
    ['1h30m', 5_400_000],
    ['1d 2h 3min 4s 5ms', 93_784_005],
    ['1.5s', 1500],
    ['0s', 0],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
    expect(text).toMatch(new RegExp(durationPattern))
  })

  it.each(['', '90', 's', '-1s', '30m1h', '1h1h', '1h 60', 'x1h', '1w', '1.5ms', '1m2min', '1h 1m 1s 1ms 1ms 1ms'])(
    '%j is none',
    (text) => {
      expect(parseDuration(text)).toBeUndefined()
    },
  )

  it('is read back as it is written', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 12 }), (ms) => {
        expect(parseDuration(exactDuration(ms))).toBe(ms)
      }),
    )
  })

  it.each([
    [86_400_000, '1d'],
    [7_200_000, '2h'],
    [5_400_000, '90min'],
    [61_000, '61s'],
    [1500, '1500ms'],
  ])('%d ms is written exactly as %s', (ms, text) => {
    expect(exactDuration(ms)).toBe(text)
  })

  it.each([
    [0, '0 s'],
    [1540, '1.5 s'],
    [59_900, '59.9 s'],
    [60_000, '1 min'],
    [61_500, '1 min 1 s'],
    [3_600_000, '1 h'],
    [3_661_000, '1 h 1 min 1 s'],
    [90_000_000, '25 h'],
  ])('%d ms is shown as %s', (ms, text) => {
    expect(durationText(ms)).toBe(text)
  })
})
