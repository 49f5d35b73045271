import { describe, expect, test } from 'vitest'
import type { Pod } from '../../api/generated/types.ts'
import { programConntrack } from '../../netfilter/conntrack/program-conntrack.ts'
import { translatedConnections } from '../../netfilter/conntrack/translated-connections.ts'
import { FakeKernel } from '../../netfilter/fake-kernel.ts'
import type { LiveStep } from '../../netfilter/nftables/live-trace.ts'
import type { HeldTable, Rule } from '../../netfilter/nftables/ruleset.ts'
import { ruleText } from '../../netfilter/nftables/statement-text.ts'
import { endpoint, service, services, slice, slices, world } from '../testing/scenes.ts'
import { explain } from './explain.ts'
import { frontendAt, type ServiceFacts } from './frontend-at.ts'
import { TraceLines, tracingTable } from './live-trace.ts'
import { listServices } from './service-list.ts'
import { listUnserved } from './unserved-services.ts'
import { type Way, waysThrough } from './ways-through.ts'

const facts: ServiceFacts = {
  services,
  slices,
  node: { name: world.node, zone: undefined },
  isLocal: (address) => address === world.nodeAddress || address.startsWith('127.'),
}
const at = (text: string, protocol: 'tcp' | 'udp' = 'tcp') => {
  const [address = '', port] = text.split(':')
  return { address, port: Number(port), protocol }
}
const way = (more: Partial<Way> = {}): Way => ({
  ...{ probability: 1, verdict: 'arrives', to: '10.244.1.11:8080', masqueraded: false, steps: [], notUnderstood: [] },
  ...more,
})
const explained = (target: string, ways: readonly Way[], more: Partial<Parameters<typeof explain>[0]> = {}) =>
  explain({
    packet: { from: 'network', protocol: 'tcp', source: world.pods.b, destination: at(target).address, port: at(target).port },
    frontend: frontendAt(facts, at(target)),
    ways,
    pods: [
      {
        metadata: { namespace: 'test', name: 'a' },
        spec: { nodeName: 'here' },
        status: { podIPs: [{ ip: world.pods.a }] },
      } as unknown as Pod,
    ],
    node: world.node,
    nodeAddress: world.nodeAddress,
    isFromHere: true,
    isServiceAddress: target.startsWith('10.96.'),
    ...more,
  })

describe('what answers at an address', () => {
  test.each([
    ['10.96.0.10:80', 'cluster address', 'test/web'],
    [`${world.nodeAddress}:30001`, 'node port', 'test/web'],
    ['127.0.0.1:30001', 'node port', 'test/web'],
    ['198.51.100.1:80', 'external IP', 'test/external'],
    ['198.51.100.3:80', 'load balancer address', 'test/balanced'],
  ])('%s: the %s of %s', (target, kind, name) => {
    expect(frontendAt(facts, at(target))).toMatchObject({ kind, port: { name } })
  })
  test.each(['10.96.0.10:81', '192.0.2.1:30001', '198.51.100.9:80'])('%s: nobody', (target) => {
    expect(frontendAt(facts, at(target))).toBeUndefined()
  })
  test('another protocol is another port', () => {
    expect(frontendAt(facts, at('10.96.0.10:80', 'udp'))).toBeUndefined()
    expect(frontendAt(facts, at('10.96.0.11:53', 'udp'))?.port.name).toBe('test/dns:udp')
  })
})

describe('an explanation', () => {
  test('names the pod that answers and whether it sees the client', () => {
    const { destination, facts: said, ways } = explained('10.96.0.10:80', [way(), way({ to: '10.244.1.99:8080', masqueraded: true })])
    expect(destination).toBe('the cluster address of Service test/web (TCP)')
    expect(said).toContain('endpoints: 3, of which 3 ready (3 on this node)')
    expect(ways.map(({ goesTo, source }) => [goesTo, source])).toEqual([
      ['pod test/a, 10.244.1.11:8080 on here', `kept: the endpoint sees ${world.pods.b}`],
      ['10.244.1.99:8080', 'masqueraded: the endpoint sees this node'],
    ])
  })
  test.each<[string, string, Partial<Way>, string]>([
    [
      'nobody is ready',
      '10.96.0.12:80',
      { verdict: 'rejected', rejectedWith: 'tcp reset' },
      'rejected (tcp reset): test/none has no ready endpoint anywhere',
    ],
    [
      'nobody is here',
      '10.96.0.16:80',
      { verdict: 'dropped' },
      'dropped: the policy is Local and no endpoint of test/inner-elsewhere is on this node',
    ],
    [
      'the client is kept out',
      '198.51.100.4:80',
      { verdict: 'dropped', steps: [{ chain: 'source-ranges', comment: 'not in the source ranges', did: ['drop'] }] },
      'dropped: the client is in none of the loadBalancerSourceRanges',
    ],
    ['there is no such port', '10.96.0.10:9999', { verdict: 'rejected' }, 'rejected: there is no such Service port'],
    [
      'somebody else’s rule',
      '203.0.113.5:80',
      { verdict: 'dropped', steps: [{ chain: 'FORWARD', did: ['drop'] }] },
      'dropped: by a rule of chain FORWARD',
    ],
  ])('says why nothing answers: %s', (_, target, outcome, expected) => {
    expect(explained(target, [way(outcome)]).ways[0]?.goesTo).toBe(expected)
  })
  test('says what it did not understand, and what to look at', () => {
    expect(explained('10.96.0.10:80', [way({ notUnderstood: ['-m u32'] })]).notes).toEqual([
      'a rule that this command does not understand may change this: -m u32',
    ])
    expect(explained('10.96.0.12:80', [way({ verdict: 'rejected' })]).notes[0]).toMatch(/test\/none selects no pod/)
  })
  test.each([
    ['10.96.0.10:80', ['this is the cluster address, which clients outside seldom use: ask about NODE:30001 for what they meet']],
    ['10.96.0.20:80', ['this is the cluster address, which clients outside seldom use: ask about 198.51.100.1:80 for what they meet']],
    ['10.96.0.17:80', []],
    ['NODE:30001', []],
  ])('tells who asks from outside about %s what to ask about', (target, notes) => {
    const named = (text: string) => text.replace('NODE', world.nodeAddress)
    expect(explained(named(target), [way()], { isFromHere: false }).notes).toEqual(notes.map(named))
    expect(explained(named(target), [way()], { isFromHere: true }).notes).toEqual([])
  })
  test('says that nobody knows where a client is pinned', () => {
    expect(explained('10.96.0.17:80', [way({ pinUnknown: true })]).notes).toEqual([
      "affinity: which endpoint this client is pinned to isn't known here; the shares are a new client's",
    ])
  })
})

describe('a way through iptables', async () => {
  const kernel = new FakeKernel({ addresses: [world.nodeAddress] })
  const isLocal = (address: string): boolean => address === world.nodeAddress
  const through = () =>
    waysThrough({ from: 'network', protocol: 'tcp', source: world.pods.b, destination: '10.96.0.10', port: 80 }, isLocal, {
      exec: kernel,
      openNftables: () => undefined,
      tag: 't',
    })
  const input = [
    '*nat',
    ':WEB - [0:0]',
    '-A PREROUTING -d 10.96.0.10/32 -m comment --comment "test/web cluster address" -j WEB',
    '-A WEB -m statistic --mode random --probability 0.5000000000 -j DNAT --to-destination 10.244.1.11:8080',
    '-A WEB -j DNAT --to-destination 10.244.1.12:8080',
    'COMMIT',
    '*filter',
    ':OWNKUBE-POD-FWD - [0:0]',
    '-A FORWARD -m comment --comment "ownkube pod network t" -j OWNKUBE-POD-FWD',
    '-A OWNKUBE-POD-FWD -i okb-1 -j ACCEPT',
    '-A OWNKUBE-POD-FWD -o okb-1 -j ACCEPT',
    'COMMIT',
    '',
  ].join('\n')
  await kernel.run('iptables-restore', ['--noflush'], { input })
  test('tells the rules that decided, and knows those of our pod network', async () => {
    const ways = await through()
    const { ways: said, notes } = explained('10.96.0.10:80', ways)
    expect(notes).toEqual([])
    expect(said.map(({ share, rules }) => [share, rules])).toEqual([
      [
        0.5,
        [
          'nat PREROUTING "test/web cluster address": jump to WEB',
          'nat WEB (-m statistic --mode random --probability 0.5000000000): dnat to 10.244.1.11:8080',
        ],
      ],
      [0.5, ['nat PREROUTING "test/web cluster address": jump to WEB', 'nat WEB: dnat to 10.244.1.12:8080']],
    ])
  })
})

describe('connections', async () => {
  const text = [
    'tcp      6 86399 ESTABLISHED src=10.244.1.12 dst=10.96.0.10 sport=40000 dport=80 packets=6 bytes=400 src=10.244.1.11 dst=10.244.1.12 sport=8080 dport=40000 packets=4 bytes=500 [ASSURED] mark=0 use=1',
    'tcp      6 86399 ESTABLISHED src=10.244.1.12 dst=10.96.0.10 sport=40001 dport=80 packets=1 bytes=60 [UNREPLIED] src=10.244.1.11 dst=10.244.1.12 sport=8080 dport=40001 packets=0 bytes=0 mark=0 use=1',
    `udp      17 29 src=10.244.1.12 dst=${world.nodeAddress} sport=40000 dport=30001 src=10.244.1.13 dst=10.244.1.12 sport=8080 dport=40000 mark=0 use=1`,
    'conntrack v1.4.7 (conntrack-tools): 3 flow entries have been shown.',
  ].join('\n')
  const translated = await translatedConnections(programConntrack({ run: async () => ({ code: 0, stdout: text, stderr: '' }) }), 'IPv4')

  test('are gathered by where they were sent and who answers', () => {
    expect(translated).toEqual([
      { protocol: 'tcp', address: '10.96.0.10', port: 80, endpoint: '10.244.1.11:8080', connections: 2, packets: 11, bytes: 960 },
      {
        protocol: 'udp',
        address: world.nodeAddress,
        port: 30001,
        endpoint: '10.244.1.13:8080',
        connections: 1,
        packets: undefined,
        bytes: undefined,
      },
    ])
  })
  test('stand beside the endpoints that they go to', () => {
    const ending = endpoint('b', { ready: false, serving: true, terminating: true })
    const some = { ...facts, services: [service('web', '10.96.0.10', [{}])], slices: [slice('web', ['a', ending])] }
    expect(listServices(some, ['IPv4', 'IPv6'], translated)).toMatchObject([
      {
        name: 'test/web',
        frontend: '10.96.0.10:80/tcp',
        connections: 2,
        packets: 11,
        endpoints: [
          { address: '10.244.1.11:8080', state: 'ready', used: true, connections: 2, packets: 11 },
          { address: '10.244.1.12:8080', state: 'ending, serves', used: false, connections: 0 },
        ],
      },
    ])
  })
})

test('Services that DNS alone serves are listed with their endpoints, each once', () => {
  const twoPorts = [slice('db', ['a', endpoint('b', { ready: false, serving: false })]), slice('db', ['a'], [{ name: 'other', port: 81 }])]
  const named = service('far', '', [], { type: 'ExternalName', externalName: 'example.com' })
  const some = [service('web', '10.96.0.10', [{}]), service('db', 'None', [{}]), named]
  expect(listUnserved({ services: some, slices: [...twoPorts, slice('web', ['c'])] })).toMatchObject([
    {
      name: 'test/db',
      frontend: 'None',
      endpoints: [
        { address: world.pods.a, state: 'ready', used: false },
        { address: world.pods.b, state: 'not ready', used: false },
      ],
    },
    { name: 'test/far', type: 'ExternalName', frontend: undefined, externalAddresses: ['example.com'], endpoints: [] },
  ])
})

test('a listed Service has its type and the addresses outside', () => {
  const listed = listServices(facts, ['IPv4'], [])
  expect(listed.find(({ name }) => name === 'test/external')).toMatchObject({ type: 'ClusterIP', externalAddresses: ['198.51.100.1'] })
  expect(listed.find(({ name }) => name === 'test/balanced')).toMatchObject({ type: 'LoadBalancer', externalAddresses: ['198.51.100.3'] })
})

describe('a listed Service under Local policies', () => {
  const listed = (name: string) => listServices(facts, ['IPv4'], []).find((each) => each.name === `test/${name}`)
  test.each([
    ['inner-elsewhere', ['inside'], [false]],
    ['local-elsewhere', ['outside'], [true]],
    ['inner', [], [true, false]],
    ['local', [], [true, true]],
    ['none', [], []],
  ])('%s drops what comes from %j', (name, dropsHere, used) => {
    expect(listed(name)).toMatchObject({ dropsHere, endpoints: used.map((each) => ({ used: each })) })
  })
})

describe('following real packets', () => {
  const followed = { source: '10.244.1.12', destination: '10.96.0.10', port: 80, protocol: 'tcp' } as const
  const text = (of: Parameters<typeof tracingTable>[1]): string => {
    const table = tracingTable('t', of)
    return ruleText(table.family, table.chains[0]?.rules[0] as Rule)
  }
  test('marks the first packets of connections in a table of its own', () => {
    expect(text(followed)).toBe(
      'ip saddr 10.244.1.12 ip daddr 10.96.0.10 meta l4proto tcp th dport 80 tcp flags syn tcp flags ! ack meta nftrace set 1',
    )
    expect(text({ ...followed, source: undefined, destination: 'fd00::1', protocol: 'udp' })).toBe(
      'ip6 daddr fd00::1 meta l4proto udp th dport 80 meta nftrace set 1',
    )
  })
  test('tells each packet once, then the rules that decided something', () => {
    const rules = [
      { handle: 7, expressions: [], comment: 'cluster address' },
      { handle: 8, expressions: [{ name: 'nat', type: 'dnat', family: 'ip', flags: [] }] },
      { handle: 9, expressions: [{ name: 'masq', flags: [] }], comment: 'marked' },
    ]
    const nat = { type: 'nat', hook: 'postrouting', priority: 100, policy: 'accept' }
    const held = {
      family: 'ip',
      name: 'ownkube-proxy',
      dormant: false,
      sets: [],
      counters: [],
      chains: [
        { name: 'ports', rules },
        { name: 'nat-postrouting', hook: nat, rules: [] },
      ],
    } as const
    const other = { ...held, name: 'other', chains: [{ name: 'POSTROUTING', hook: nat, rules: [] }] }
    const lines = new TraceLines('t', [held, other] as unknown as HeldTable[], (address) =>
      address === '10.244.1.11' ? 'test/web-1' : undefined,
    )
    const packet = { source: '10.244.1.12', sourcePort: 40000, destination: '10.96.0.10', port: 80, protocol: 'tcp' }
    const step = (more: Partial<LiveStep>): LiveStep => ({
      id: 9,
      family: 'ip',
      table: 'ownkube-proxy',
      chain: 'ports',
      what: 'rule',
      ...more,
    })
    const said = [
      step({ table: 't', chain: 'prerouting', handle: 2, verdict: 'continue', packet }),
      step({ chain: 'nat-prerouting', handle: 5, verdict: { jump: 'services' }, packet }),
      step({ handle: 7, verdict: { goto: 'choose' } }),
      step({ what: 'return', verdict: 'return' }),
      step({ what: 'policy', verdict: 'accept' }),
      step({ table: 'other', chain: 'forward', what: 'policy', verdict: 'drop' }),
    ].flatMap((each) => lines.take(each))
    expect(said).toEqual([
      '#1 tcp from 10.244.1.12 port 40000 to 10.96.0.10 port 80',
      '#1   ownkube-proxy nat-prerouting: → services by rule 5',
      '#1   ownkube-proxy ports: → choose "cluster address"',
      '#1   other forward: drop by its policy',
    ])
    expect(lines.seen).toBe(1)

    const translated = { ...packet, destination: '10.244.1.11', port: 8080 }
    const policy = { what: 'policy', verdict: 'accept' } as const
    const way = (id: number, more: readonly Partial<LiveStep>[]) =>
      [{ packet }, { chain: 'choose-3', handle: 8, verdict: 'accept' } as const, ...more].flatMap((each) =>
        lines.take(step({ id, ...each })),
      )
    const chosen = (number: number) => [
      `#${number} tcp from 10.244.1.12 port 40000 to 10.96.0.10 port 80`,
      `#${number}   ownkube-proxy choose-3: dnat by rule 8`,
      `#${number}   to endpoint 10.244.1.11:8080 (pod test/web-1)`,
    ]
    const left = { chain: 'nat-postrouting', packet: translated, ...policy }
    expect(way(10, [left, { table: 'other', chain: 'POSTROUTING', packet: translated, ...policy }])).toEqual([
      ...chosen(2),
      '#2   source kept: the endpoint sees 10.244.1.12',
    ])
    expect(way(11, [{ packet: translated, chain: 'masquerade', handle: 9, verdict: 'accept' }])).toEqual([
      ...chosen(3),
      '#3   ownkube-proxy masquerade: masquerade "marked"',
      '#3   masqueraded: the endpoint sees this node',
    ])
  })
})
