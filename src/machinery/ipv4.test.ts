import { expect, it } from 'vitest'
import { ipv4Text, parseIpv4, parseNetwork } from './ipv4.ts'

it.each([
  ['10.96.0.1', 0x0a600001],
  ['255.255.255.255', 0xffffffff],
  ['0.0.0.0', 0],
  ['010.0.0.1', undefined],
  ['10.0.0', undefined],
  ['10.0.0.256', undefined],
  ['::1', undefined],
])('%s is %s', (text, number) => {
  expect(parseIpv4(text)).toBe(number)
  if (number !== undefined) expect(ipv4Text(number)).toBe(text)
})

it('a network begins at its first address, whichever of its addresses names it', () => {
  expect(parseNetwork('10.96.5.9/16')).toEqual({ text: '10.96.0.0/16', first: 0x0a600000, size: 65_536 })
  for (const text of ['10.96.0.0', '10.96.0.0/31', '10.96.0.0/x', 'fd00::/64']) expect(() => parseNetwork(text)).toThrow(text)
})
