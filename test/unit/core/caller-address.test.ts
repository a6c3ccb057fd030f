import { expect, it } from 'vitest'
import { addressOf } from '../../../core/kernel/caller-address.ts'

it.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:10.1.2.3', '10.1.2.3'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
  ['2001:db8:1:2:aaaa::9', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  [undefined, 'unknown'],
])('counts callers from %s under %s', (remote, address) => expect(addressOf(remote)).toBe(address))
