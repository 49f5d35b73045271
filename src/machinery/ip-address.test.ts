import { expect, test } from 'vitest'
import { canonicalCidr, canonicalIp } from './ip-address.ts'

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['010.0.0.1', undefined],
  ['FD00:0:0:0:1:0:0:00A', 'fd00::1:0:0:a'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['::ffff:10.0.0.1', '::ffff:a00:1'],
  ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
  ['1:2:3:4:5:6:7:8::', undefined],
  ['1::2::3', undefined],
  ['1:2:3', undefined],
  ['fd00::g', undefined],
  ['fd00::12345', undefined],
  ['fe80::1%eth0', undefined],
  ['', undefined],
])('the address %s is %s', (text, expected) => expect(canonicalIp(text)).toBe(expected))

test.each([
  ['10.1.2.3/8', '10.0.0.0/8'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['10.0.0.0/33', undefined],
  ['10.0.0.0', undefined],
  ['10.0.0.0/8/8', undefined],
  ['fd00:1::ffff/32', 'fd00:1::/32'],
  ['::1/128', '::1/128'],
  ['ff::/0', '::/0'],
  ['fd00::/129', undefined],
  ['x/8', undefined],
])('the range %s is %s', (text, expected) => expect(canonicalCidr(text)).toBe(expected))
