import { describe, expect, test } from 'vitest'
import { contains } from './address-range.ts'
import { difference, ownRules, repeatedHooks } from './difference.ts'
import { FakeKernel } from './fake-kernel.ts'
import { iptables } from './iptables.ts'
import { parseRule, parseSaved, UnknownRuleError } from './parse.ts'
import { emptyRuleSet, type Rule, type RuleSet, ruleText } from './rules.ts'
import type { Packet } from './trace.ts'

describe('a rule reads back as it was written', () => {
  test.each([
    '-s 10.0.0.1/32 -m comment --comment test/web -j KUBE-MARK-MASQ',
    '! -s 10.244.0.0/16 -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -m comment --comment "a \\"quoted\\" note" -j X',
    '-m statistic --mode random --probability 0.3333333333 -j X',
    '-m recent --rcheck --seconds 100 --reap --name X --rsource -j X',
    '-p udp -m recent --set --name X --rsource -j DNAT --to-destination 10.0.0.1:53',
    '-m mark ! --mark 0x4000/0x4000 -j RETURN',
    '-j MARK --set-xmark 0x4000/0x0',
    '-j MARK --set-xmark 0x4000/0x4000',
    '-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP',
    '-m addrtype --src-type LOCAL -j REJECT',
    '-p tcp -j REJECT --reject-with tcp-reset',
    '-i br0 -j X',
    '-o br0 -j ACCEPT',
    '-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE --random-fully',
    '! -i cali+ -d fd00::1/128 -j DNAT --to-destination [fd00::2]:53',
    '-j MASQUERADE --random-fully',
  ])('%s', (text) => expect(ruleText(parseRule(text))).toBe(text))

  test.each([
    ['-d 10.0.0.1 -j REJECT --reject-with icmp-port-unreachable', '-d 10.0.0.1/32 -j REJECT'],
    ['-d fd00::1 -j REJECT --reject-with icmp6-port-unreachable', '-d fd00::1/128 -j REJECT'],
    [
      '-m recent --rcheck --seconds 9 --reap --name X --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource -j X',
      '-m recent --rcheck --seconds 9 --reap --name X --rsource -j X',
    ],
  ])("a family's defaults are as good as left out: %s", (saved, ours) => expect(ruleText(parseRule(saved))).toBe(ours))

  test.each(['! -p tcp -j X', '-p tcp -m tcp ! --dport 80 -j X', '-m addrtype ! --dst-type LOCAL -j X'])(
    'what cannot be said the other way round is not understood, rather than the opposite: %s',
    (text) => expect(() => parseRule(text)).toThrow(UnknownRuleError),
  )

  test('the kernel rounds shares to 31 bits', () => {
    for (const parts of [2, 3, 7, 99, 1000]) {
      const rounded = Math.round((2 ** 31 - 1) / parts) / (2 ** 31 - 1)
      expect(parseRule(`-m statistic --mode random --probability ${rounded.toFixed(11)} -j X`).matches).toEqual([{ type: 'oneIn', parts }])
    }
  })
})

describe('a traced packet', async () => {
  const kernel = new FakeKernel({ addresses: ['192.0.2.1'] })
  const input = [
    '*nat',
    ...[':SERVICES - [0:0]', ':WEB - [0:0]', ':IDLE - [0:0]'],
    '-A PREROUTING -j IDLE',
    '-A PREROUTING -j SERVICES',
    '-A OUTPUT -j SERVICES',
    '-A SERVICES -d 10.96.0.10/32 -p tcp -m tcp --dport 80 -m comment --comment "test/web cluster address" -j WEB',
    '-A IDLE -d 203.0.113.9/32 -j ACCEPT',
    '-A WEB -s 192.0.2.1/32 -j MARK --set-xmark 0x4000/0x4000',
    '-A WEB -j DNAT --to-destination 10.244.0.5:8080',
    '-A POSTROUTING ! -o lo -m mark --mark 0x4000/0x4000 -j MASQUERADE --random-fully',
    'COMMIT',
    '*filter',
    '-A OUTPUT -o lo -j ACCEPT',
    '-A OUTPUT -d 192.0.2.1/32 -j DROP',
    '-A INPUT -i lo -j ACCEPT',
    '-A INPUT -j REJECT --reject-with tcp-reset',
    'COMMIT',
    '',
  ].join('\n')
  await kernel.run('iptables-restore', [], { input })
  const pathOf = (packet: Pick<Packet, 'from' | 'source' | 'destination'>): string[] =>
    kernel
      .trace({ ...packet, protocol: 'tcp', port: 80 })
      .flatMap(({ path }) => path.map(({ table, chain, comment, matched, did }) => `${table} ${chain} [${comment ?? matched}] ${did}`))

  test('tells the rules that it fulfilled, without chains that did nothing', () =>
    expect(pathOf({ from: 'network', source: '10.244.0.6', destination: '10.96.0.10' })).toEqual([
      'nat PREROUTING [] jump to SERVICES',
      'nat SERVICES [test/web cluster address] jump to WEB',
      'nat WEB [] dnat to 10.244.0.5:8080',
    ]))
  test('tells who marked it and what came of the mark', () =>
    expect(pathOf({ from: 'host', source: '192.0.2.1', destination: '10.96.0.10' })).toEqual([
      'nat OUTPUT [] jump to SERVICES',
      'nat SERVICES [test/web cluster address] jump to WEB',
      'nat WEB [-s 192.0.2.1/32] mark set 0x4000',
      'nat WEB [] dnat to 10.244.0.5:8080',
      'nat POSTROUTING [! -o lo -m mark --mark 0x4000/0x4000] masquerade',
    ]))
  test('leaves and comes in by the loopback where a host speaks to itself', () => {
    expect(pathOf({ from: 'host', source: '192.0.2.1', destination: '192.0.2.1' })).toEqual([
      'filter OUTPUT [-o lo] accept',
      'filter INPUT [-i lo] accept',
    ])
    expect(pathOf({ from: 'network', source: '198.51.100.7', destination: '192.0.2.1' })).toEqual(['filter INPUT [] reject with tcp reset'])
  })
})

const jump = (chain: string): Rule => ({ matches: [], target: { type: 'jump', chain } })
const setOf = (chains: Record<string, readonly Rule[]>, hooked = false): RuleSet => ({
  tables: { ...emptyRuleSet.tables, nat: new Map(Object.entries(chains)) },
  hooks: hooked ? [{ table: 'nat', chain: 'PREROUTING', rule: jump('A') }] : [],
})
const ours = (_table: string, chain: string): boolean => chain.length === 1

describe('a difference', () => {
  test('of equal sets is nothing', () =>
    expect(difference(setOf({ A: [jump('B')], B: [] }), setOf({ A: [jump('B')], B: [] }))).toBeUndefined())

  test('sends what changed, and deletes at the end what nothing refers to any more', () => {
    const change = difference(setOf({ A: [jump('B')], B: [], C: [] }), setOf({ A: [jump('D')], C: [], D: [] }))
    expect(change?.text).toBe('*nat\n:A - [0:0]\n:D - [0:0]\n:B - [0:0]\n-A A -j D\n-X B\nCOMMIT\n')
  })

  test('may have more lines than a call takes arguments', () => {
    const rules = Array.from({ length: 20 }, () => jump('B'))
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`C${i}`, rules]))
    expect(difference(emptyRuleSet, setOf(many))).toMatchObject({ chainsWritten: 10_000, rulesWritten: 200_000 })
  })

  test('applied and read back is the wanted set; hooks go first and once', async () => {
    const kernel = new FakeKernel({ addresses: [] })
    await kernel.run('iptables-restore', [], { input: '*nat\n:THEIRS - [0:0]\n-A PREROUTING -j THEIRS\nCOMMIT\n' })
    const wanted = setOf({ A: [jump('B')], B: [] }, true)
    const tables = iptables({ exec: kernel })
    await tables.apply(difference(emptyRuleSet, wanted)!)
    expect(ownRules(parseSaved(kernel.save()), ours, wanted)).toEqual(wanted)
    expect(kernel.rules('nat', 'PREROUTING').map(ruleText)).toEqual(['-j A', '-j THEIRS'])
    await kernel.run('iptables-restore', [], { input: '*nat\n-I PREROUTING 1 -j A\nCOMMIT\n' })
    expect(repeatedHooks(ownRules(await tables.read(), ours, wanted))).toHaveLength(1)
  })
})

test('a refusal names the line that was refused', async () => {
  const tables = iptables({ exec: new FakeKernel({ addresses: [] }) })
  const change = { text: '*nat\n-X NOWHERE\nCOMMIT\n', chainsWritten: 0, chainsRemoved: 1, rulesWritten: 0 }
  await expect(tables.apply(change)).rejects.toThrow('(-X NOWHERE)')
})

test.each([
  ['10.0.0.0/8', '10.255.0.1', true],
  ['10.0.0.0/9', '10.128.0.1', false],
  ['192.0.2.7/32', '192.0.2.7', true],
  ['0.0.0.0/0', '1.2.3.4', true],
])('%s holds %s: %s', (cidr, address, holds) => expect(contains(cidr, address)).toBe(holds))
