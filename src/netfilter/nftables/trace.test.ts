import { describe, expect, it } from 'vitest'
import type { Packet } from '../trace.ts'
import type { Element, HeldTable, NftSet, Table } from './ruleset.ts'
import type { Statement } from './statements.ts'
import { FakeNftables } from './testing/fake-nftables.ts'
import { traceNftables } from './trace.ts'
import { createTable } from './transaction.ts'
import { keyOf } from './values.ts'

const endpoints: NftSet = {
  name: 'endpoints',
  key: ['ipv4_addr', 'inet_proto', 'inet_service', 'index'],
  data: ['ipv4_addr', 'inet_service'],
}
const services: NftSet = { name: 'services', key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: ['mark'] }
const choices: NftSet = { name: 'choices', key: ['mark'], data: 'verdict' }
const hairpins: NftSet = { name: 'hairpins', key: ['ipv4_addr', 'ipv4_addr'] }
const allowed: NftSet = { name: 'allowed', key: ['ipv4_addr', 'ipv4_addr'], interval: true }
const affinity: NftSet = { name: 'affinity', key: ['ipv4_addr', 'ipv4_addr'], data: ['mark'], dynamic: true, timeoutMs: 0, size: 100 }
const frontend = ['ip daddr', 'meta l4proto', 'th dport'] as const
const rule = (...statements: Statement[]): { statements: Statement[] } => ({ statements })

const table: Table = {
  family: 'ip',
  name: 'flat',
  sets: [endpoints, services, choices, hairpins, allowed, affinity],
  chains: [
    { name: 'of-three', rules: [rule({ kind: 'dnat', to: { map: 'endpoints', key: [...frontend, { numgen: 'random', modulus: 3 }] } })] },
    {
      name: 'sticky',
      rules: [
        rule(
          { kind: 'set', field: 'meta mark', to: { map: 'affinity', key: ['ip saddr', 'ip daddr'] } },
          { kind: 'dnat', to: { map: 'endpoints', key: [...frontend, 'meta mark'] } },
        ),
        rule(
          { kind: 'set', field: 'meta mark', to: { numgen: 'random', modulus: 2 } },
          { kind: 'dynset', op: 'update', set: 'affinity', key: ['ip saddr', 'ip daddr'], data: 'meta mark', timeoutMs: 100_000 },
          { kind: 'dnat', to: { map: 'endpoints', key: [...frontend, 'meta mark'] } },
        ),
      ],
    },
    {
      name: 'service',
      rules: [
        rule(
          { kind: 'match', key: 'ip daddr', value: '10.96.0.4' },
          { kind: 'lookup', key: ['ip daddr', 'ip saddr'], set: 'allowed', not: true },
          { kind: 'verdict', verdict: 'drop' },
        ),
        rule(
          { kind: 'set', field: 'meta mark', to: { map: 'services', key: frontend } },
          { kind: 'vmap', key: 'meta mark', map: 'choices' },
        ),
        rule(
          { kind: 'match', key: 'ip daddr', value: '10.96.0.0/16' },
          { kind: 'match', key: 'meta l4proto', value: 'tcp' },
          { kind: 'reject', with: 'tcp reset' },
        ),
      ],
    },
    {
      name: 'prerouting',
      hook: { type: 'nat', hook: 'prerouting', priority: -100 },
      rules: [rule({ kind: 'verdict', verdict: { jump: 'service' } })],
    },
    {
      name: 'output',
      hook: { type: 'nat', hook: 'output', priority: -100 },
      rules: [rule({ kind: 'verdict', verdict: { goto: 'service' } })],
    },
    {
      name: 'postrouting',
      hook: { type: 'nat', hook: 'postrouting', priority: 100 },
      rules: [
        rule(
          { kind: 'match', key: 'ct status', value: 'dnat' },
          { kind: 'lookup', key: ['ip saddr', 'ip daddr'], set: 'hairpins' },
          { kind: 'masquerade' },
        ),
      ],
    },
  ],
}
const pods = ['10.244.1.1', '10.244.1.2', '10.244.1.3']
const pod = (address: string): string => keyOf(['ipv4_addr', 'inet_service'], address, 8080)
const elements = new Map<NftSet, Element[]>([
  [
    endpoints,
    ['10.96.0.1', '10.96.0.2', '10.96.0.4'].flatMap((service) =>
      pods.map((address, index) => ({
        key: keyOf(endpoints.key, service, 'tcp', 80, index),
        data: pod(address),
        comment: `to ${address}`,
      })),
    ),
  ],
  [
    services,
    ['10.96.0.1', '10.96.0.2', '10.96.0.4'].map((service, index) => ({
      key: keyOf(services.key, service, 'tcp', 80),
      data: keyOf(['mark'], index === 1 ? 7 : 3),
    })),
  ],
  [
    choices,
    [
      { key: keyOf(['mark'], 3), verdict: { goto: 'of-three' } },
      { key: keyOf(['mark'], 7), verdict: { goto: 'sticky' } },
    ],
  ],
  [hairpins, pods.map((address) => ({ key: keyOf(hairpins.key, address, address) }))],
  [allowed, [{ key: keyOf(allowed.key, '10.96.0.4', '192.168.0.0'), end: keyOf(allowed.key, '10.96.0.4', '192.168.0.255') }]],
])

let nowMs = 0
async function fake(...more: Table[]): Promise<FakeNftables> {
  nowMs = 0
  const kernel = new FakeNftables({ addresses: ['192.168.0.1'], now: () => nowMs })
  await kernel.open().apply(createTable(table, (set) => elements.get(set) ?? []))
  for (const other of more) await kernel.open().apply(createTable(other, () => []))
  return kernel
}
const to = (destination: string, more: Partial<Packet> = {}): Packet => ({
  from: 'network',
  protocol: 'tcp',
  source: '10.244.2.9',
  destination,
  port: 80,
  ...more,
})

describe('a traced packet', () => {
  it('goes to each endpoint with its share, and tells the way', async () => {
    const outcomes = (await fake()).trace(to('10.96.0.1'))
    expect(outcomes.map(({ probability, to: end, verdict, masqueraded }) => ({ probability, end, verdict, masqueraded }))).toEqual(
      pods.map((address) => ({ probability: 1 / 3, end: `${address}:8080`, verdict: 'arrives', masqueraded: false })),
    )
    const way = outcomes[1]?.path.map(({ chain, did, found }) => [chain, ...did, ...found.map(({ text }) => text)].join(', '))
    expect(way).toEqual([
      'prerouting, jump service',
      'service, meta mark set to 0x00000003, goto of-three, 10.96.0.1 . tcp . 80 : 0x00000003, 0x00000003 : goto of-three',
      'of-three, dnat to 10.244.1.2:8080, 10.96.0.1 . tcp . 80 . 0x00000001 comment "to 10.244.1.2" : 10.244.1.2 . 8080',
    ])
  })

  it('is masqueraded where it comes back to its sender', async () => {
    const outcomes = (await fake()).trace(to('10.96.0.1', { source: '10.244.1.2' }))
    expect(outcomes.map(({ masqueraded }) => masqueraded)).toEqual([false, true, false])
  })

  it('is refused where no Service is, and goes its way where none could be', async () => {
    const kernel = await fake()
    expect(kernel.trace(to('10.96.0.9'))).toMatchObject([{ probability: 1, verdict: 'rejected', rejectedWith: 'tcp reset' }])
    expect(kernel.trace(to('10.96.0.9', { protocol: 'udp' }))).toMatchObject([
      { verdict: 'arrives', to: '10.96.0.9:80', path: [{ did: ['jump service'] }] },
    ])
    expect(kernel.trace(to('8.8.8.8', { from: 'host', source: '192.168.0.1' }))).toMatchObject([
      { verdict: 'arrives', path: [{ chain: 'output' }] },
    ])
  })

  it('is let in by ranges of sources', async () => {
    const kernel = await fake()
    expect(kernel.trace(to('10.96.0.4'))).toMatchObject([{ verdict: 'dropped', path: [{}, { did: ['drop'] }] }])
    expect(kernel.trace(to('10.96.0.4', { source: '192.168.0.77' }))).toHaveLength(3)
  })

  it('keeps to an endpoint until its time is over', async () => {
    const kernel = await fake()
    const first = kernel.connect(to('10.96.0.2'), 0.7)
    expect(first.to).toBe('10.244.1.2:8080')
    expect(first.updates).toMatchObject([{ set: 'affinity', op: 'update', timeoutMs: 100_000 }])
    nowMs = 99_000
    expect(kernel.trace(to('10.96.0.2'))).toMatchObject([{ probability: 1, to: '10.244.1.2:8080', updates: [] }])
    nowMs = 100_000
    expect(kernel.trace(to('10.96.0.2')).map(({ probability }) => probability)).toEqual([1 / 2, 1 / 2])
  })

  it('is not translated when its connection is older', async () => {
    expect((await fake()).trace(to('10.96.0.1', { state: 'ESTABLISHED' }))).toMatchObject([{ to: '10.96.0.1:80', path: [] }])
  })

  it("meets other people's rules, by hook and priority, and its host's own input", async () => {
    const filter: Table = {
      family: 'inet',
      name: 'firewall',
      sets: [],
      chains: [
        {
          name: 'early',
          hook: { type: 'filter', hook: 'prerouting', priority: -300 },
          rules: [
            rule(
              { kind: 'match', key: 'ip saddr', value: '10.244.0.0/16' },
              { kind: 'match', key: 'ct state', value: 'new' },
              { kind: 'verdict', verdict: 'drop' },
            ),
          ],
        },
        {
          name: 'after-dnat',
          hook: { type: 'filter', hook: 'forward', priority: 0 },
          rules: [rule({ kind: 'match', key: 'ip daddr', value: '10.244.1.3' }, { kind: 'verdict', verdict: 'drop' })],
        },
        {
          name: 'in',
          hook: { type: 'filter', hook: 'input', priority: 0, policy: 'drop' },
          rules: [rule({ kind: 'match', key: 'iifname', value: 'lo' }, { kind: 'verdict', verdict: 'accept' })],
        },
      ],
    }
    const kernel = await fake(filter)
    expect(kernel.trace(to('10.96.0.1')).map(({ verdict }) => verdict)).toEqual(['dropped', 'arrives', 'arrives'])
    expect(kernel.trace(to('192.168.0.1'))).toMatchObject([
      { verdict: 'dropped', path: [{ chain: 'prerouting' }, { chain: 'in', did: ['policy drop'] }] },
    ])
    expect(kernel.trace(to('192.168.0.1', { from: 'host', source: '192.168.0.1' }))).toMatchObject([{ verdict: 'arrives' }])
  })

  it('says which rules it does not understand, and passes them over', () => {
    const foreign: HeldTable = {
      family: 'ip',
      name: 'nat',
      dormant: false,
      sets: [],
      counters: [],
      chains: [
        {
          name: 'PREROUTING',
          hook: { type: 'nat', hook: 'prerouting', priority: -100, policy: 'accept' },
          rules: [
            {
              handle: 5,
              expressions: [
                { name: 'unknown', what: 'iptables match addrtype' },
                { name: 'immediate', verdict: 'drop' },
              ],
            },
            {
              handle: 6,
              expressions: [
                { name: 'meta', key: 'skuid', into: 0 },
                { name: 'cmp', register: 0, op: '==', value: '\0\0\0\0' },
                { name: 'immediate', verdict: 'drop' },
              ],
            },
          ],
        },
      ],
    }
    expect(traceNftables({ tables: [foreign], isLocal: () => false }, to('8.8.8.8'))).toMatchObject([
      {
        verdict: 'arrives',
        notUnderstood: [
          'rule not understood: iptables match addrtype (table ip nat, rule 5)',
          'rule not understood: meta skuid (table ip nat, rule 6)',
        ],
      },
    ])
  })
})

describe("iptables' own targets among nftables' rules", () => {
  it('are understood where they masquerade', () => {
    const nat: HeldTable = {
      family: 'ip',
      name: 'nat',
      dormant: false,
      sets: [],
      counters: [],
      chains: [
        {
          name: 'POSTROUTING',
          hook: { type: 'nat', hook: 'postrouting', priority: 100, policy: 'accept' },
          rules: [{ handle: 5, expressions: [{ name: 'unknown', what: 'iptables target MASQUERADE' }] }],
        },
      ],
    }
    expect(traceNftables({ tables: [nat], isLocal: () => false }, to('8.8.8.8'))).toMatchObject([
      { verdict: 'arrives', masqueraded: true, notUnderstood: [] },
    ])
  })
})

describe('a traced IPv6 packet', () => {
  it('meets ip6 and inet tables, and no ip ones', async () => {
    const targets: NftSet = { name: 'targets', key: ['ipv6_addr', 'inet_service'], data: ['ipv6_addr', 'inet_service'] }
    const six: Table = {
      family: 'ip6',
      name: 'six',
      sets: [targets],
      chains: [
        {
          name: 'prerouting',
          hook: { type: 'nat', hook: 'prerouting', priority: -100 },
          rules: [rule({ kind: 'dnat', to: { map: 'targets', key: ['ip6 daddr', 'th dport'] } })],
        },
        {
          name: 'postrouting',
          hook: { type: 'nat', hook: 'postrouting', priority: 100 },
          rules: [rule({ kind: 'match', key: 'ct original ip6 daddr', value: 'fd00:96::/112' }, { kind: 'masquerade' })],
        },
      ],
    }
    const both: Table = {
      family: 'inet',
      name: 'both',
      sets: [],
      chains: [
        {
          name: 'forward',
          hook: { type: 'filter', hook: 'forward', priority: 0 },
          rules: [
            rule(
              { kind: 'match', key: 'meta nfproto', value: 'ipv6' },
              { kind: 'match', key: 'th dport', value: 81 },
              { kind: 'reject', with: 'port-unreachable' },
            ),
          ],
        },
      ],
    }
    const kernel = await fake(both)
    const target = { key: keyOf(targets.key, 'fd00:96::1', 80), data: keyOf(['ipv6_addr', 'inet_service'], 'fd00:1::7', 8080) }
    await kernel.open().apply(createTable(six, () => [target]))
    const packet = to('fd00:96::1', { source: 'fd00:2::1' })
    expect(kernel.trace(packet)).toMatchObject([{ probability: 1, verdict: 'arrives', to: '[fd00:1::7]:8080', masqueraded: true }])
    expect(kernel.trace({ ...packet, port: 81 })).toMatchObject([{ verdict: 'rejected', rejectedWith: 'icmpx 1', to: '[fd00:96::1]:81' }])
    expect(kernel.trace(to('10.244.1.1', { port: 81 }))).toMatchObject([{ verdict: 'arrives' }])
  })
})
