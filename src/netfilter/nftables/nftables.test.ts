import { describe, expect, it } from 'vitest'
import { compileRule } from './compile.ts'
import { keyLength, splitParts, typeNumber, typesOfNumber } from './data-types.ts'
import type { NftSet, Rule, Table } from './ruleset.ts'
import { replaceTable } from './transaction.ts'
import { transactionText } from './transaction-text.ts'
import { bytesOf, keyOf, keyText, textOf } from './values.ts'

const endpoints: NftSet = {
  name: 'endpoints',
  key: ['ipv4_addr', 'inet_proto', 'inet_service', 'index'],
  data: ['ipv4_addr', 'inet_service'],
}
const choices: NftSet = { name: 'choices', key: ['mark'], data: 'verdict' }
const sources: NftSet = { name: 'sources', key: ['ipv4_addr', 'inet_service'], interval: true }
const affinity: NftSet = { name: 'affinity', key: ['ipv4_addr'], data: ['mark'], dynamic: true, timeoutMs: 0, size: 1000 }
const sets = [endpoints, choices, sources, affinity]
const frontend = ['ip daddr', 'meta l4proto', 'th dport'] as const

const table: Table = {
  family: 'ip',
  name: 'example',
  sets,
  chains: [
    {
      name: 'of-two',
      rules: [{ statements: [{ kind: 'dnat', to: { map: 'endpoints', key: [...frontend, { numgen: 'random', modulus: 2 }] } }] }],
    },
    {
      name: 'prerouting',
      hook: { type: 'nat', hook: 'prerouting', priority: -100 },
      rules: [
        { statements: [{ kind: 'vmap', key: 'meta mark', map: 'choices' }], comment: 'by number of endpoints' },
        {
          statements: [
            { kind: 'match', key: { of: 'meta mark', mask: 0x4000 }, value: 0x4000 },
            { kind: 'match', key: 'ct state', value: 'new' },
            { kind: 'match', key: 'ip saddr', op: '!=', value: '10.244.0.0/16' },
            { kind: 'set', field: 'meta mark', to: { keep: 0xffffbfff, add: 0 } },
            { kind: 'dynset', op: 'update', set: 'affinity', key: 'ip saddr', data: 'meta mark', timeoutMs: 1500 },
            { kind: 'reject', with: 'port-unreachable' },
          ],
        },
      ],
    },
  ],
}

const text = `add table ip example
delete table ip example
add table ip example
add chain ip example of-two
add chain ip example prerouting { type nat hook prerouting priority -100 ; policy accept ; }
add map ip example endpoints { typeof ip daddr . meta l4proto . tcp dport . numgen random mod 65536 : ip daddr . tcp dport ; }
add map ip example choices { type mark : verdict ; }
add set ip example sources { type ipv4_addr . inet_service ; flags interval ; }
add map ip example affinity { type ipv4_addr : mark ; flags dynamic,timeout ; size 1000 ; }
add element ip example endpoints { 10.96.0.1 . tcp . 80 . 0 comment "default/web" : 10.244.0.5 . 8080 }
add element ip example choices { 0x00000002 : goto of-two }
add element ip example sources { 10.0.0.0-10.0.0.255 . 80 }
add rule ip example of-two dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 2 map @endpoints
add rule ip example prerouting meta mark vmap @choices comment "by number of endpoints"
add rule ip example prerouting meta mark & 0x00004000 16384 ct state new ip saddr != 10.244.0.0/16 meta mark set meta mark & 0xffffbfff | 0x00000000 update @affinity { ip saddr timeout 1500ms : meta mark } reject with icmp port-unreachable
`

describe('a transaction', () => {
  it('prints as nft reads it', () => {
    const elements = new Map([
      [
        endpoints,
        [
          {
            key: keyOf(endpoints.key, '10.96.0.1', 'tcp', 80, 0),
            data: keyOf(['ipv4_addr', 'inet_service'], '10.244.0.5', 8080),
            comment: 'default/web',
          },
        ],
      ],
      [choices, [{ key: keyOf(['mark'], 2), verdict: { goto: 'of-two' } as const }]],
      [sources, [{ key: keyOf(sources.key, '10.0.0.0', 80), end: keyOf(sources.key, '10.0.0.255', 80) }]],
    ])
    expect(transactionText(replaceTable(table, (set) => elements.get(set) ?? []))).toBe(text)
  })
})

describe('values', () => {
  it.each([
    ['ipv4_addr', '10.96.0.1', '\n`\x00\x01'],
    ['ipv6_addr', 'fd00:10:96::1', '\xfd\x00\x00\x10\x00\x96\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01'],
    ['ipv6_addr', '::', '\0'.repeat(16)],
    ['ipv6_addr', '1:0:0:2::3', '\x00\x01\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x03'],
    ['inet_proto', 'tcp', '\x06'],
    ['inet_proto', '99', '\x63'],
    ['inet_service', '8080', '\x1f\x90'],
    ['mark', '0x00004000', '\x00\x40\x00\x00'],
    ['ct_state', 'established,related', '\x06\x00\x00\x00'],
    ['ifname', '"eth0"', 'eth0\0\0\0\0\0\0\0\0\0\0\0\0'],
  ] as const)('%s %s', (type, shown, bytes) => {
    expect(bytesOf(type, shown.replaceAll('"', ''))).toBe(bytes)
    expect(textOf(type, bytes)).toBe(shown)
  })

  it('reads an IPv4 address inside an IPv6 one, and zeros wherever they are left out', () => {
    expect(textOf('ipv6_addr', bytesOf('ipv6_addr', '::ffff:10.0.0.1'))).toBe('::ffff:a00:1')
    expect(bytesOf('ipv6_addr', 'fe80:0:0:0:0:0:0:1')).toBe(bytesOf('ipv6_addr', 'fe80::1'))
  })

  it.each([
    ['ipv4_addr', '10.0.0'],
    ['ipv4_addr', '10.0.0.256'],
    ['ipv6_addr', '1:2:3'],
    ['ipv6_addr', '1::2::3'],
    ['ipv6_addr', ':::'],
    ['inet_service', 65_536],
    ['inet_service', -1],
    ['inet_proto', 'tcpx'],
    ['ifname', 'sixteen-letters-x'],
  ] as const)('refuses %s %s', (type, value) => {
    expect(() => bytesOf(type, value)).toThrow(/is no /)
  })
})

describe('keys', () => {
  it('pad each of several parts to four bytes, and a single one not', () => {
    const key = keyOf(endpoints.key, '10.96.0.1', 'tcp', 80, 3)
    expect(key).toBe('\n`\x00\x01\x06\0\0\0\x00P\0\0\x03\0\0\0')
    expect(keyText(endpoints.key, key)).toBe('10.96.0.1 . tcp . 80 . 3')
    expect(splitParts(endpoints.key, key)).toEqual(['\n`\x00\x01', '\x06', '\x00P', '\x03\0\0\0'])
    expect(keyOf(['inet_service'], 80)).toBe('\x00P')
    expect(keyLength(endpoints.key)).toBe(16)
  })

  it('have a number in nft, and are told apart by it', () => {
    expect(typesOfNumber(typeNumber(['ipv6_addr', 'inet_service']), 20)).toEqual(['ipv6_addr', 'inet_service'])
    expect(typesOfNumber(typeNumber(['ipv6_addr', 'inet_service']), 16)).toBeUndefined()
    expect(typesOfNumber(63, 4)).toBeUndefined()
  })
})

describe('compiling', () => {
  const wrong: [string, Rule['statements']][] = [
    ['the table has no set none', [{ kind: 'lookup', key: 'ip saddr', set: 'none' }]],
    ['set endpoints has keys of ipv4_addr . inet_proto', [{ kind: 'lookup', key: 'ip saddr', set: 'endpoints' }]],
    ['map affinity holds no verdicts', [{ kind: 'vmap', key: 'ip saddr', map: 'affinity' }]],
    ['map affinity holds no address and port', [{ kind: 'dnat', to: { map: 'affinity', key: 'ip saddr' } }]],
    ['map choices holds no marks', [{ kind: 'set', field: 'meta mark', to: { map: 'choices', key: 'meta mark' } }]],
    ['flags are not compared with <', [{ kind: 'match', key: 'ct state', op: '<', value: 'new' }]],
    ['no prefix is longer than 32 bits', [{ kind: 'match', key: 'ip saddr', value: '10.0.0.0/33' }]],
  ]
  it.each(wrong)('says %s', (message, statements) => {
    expect(() => compileRule(table, { statements })).toThrow(message)
  })

  it('masks by prefixes that end inside a byte', () => {
    expect(compileRule(table, { statements: [{ kind: 'match', key: 'ip daddr', value: '10.247.3.4/14' }] })).toEqual([
      { name: 'payload', base: 'network', offset: 16, length: 4, into: 0 },
      { name: 'bitwise', from: 0, into: 0, length: 4, mask: '\xff\xfc\0\0', xor: '\0\0\0\0' },
      { name: 'cmp', register: 0, op: '==', value: '\n\xf4\0\0' },
    ])
  })
})
