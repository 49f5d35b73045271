import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compileRule } from './compile.ts'
import { type NftKernel, RefusedError } from './kernel.ts'
import type { Chain, Element, NftSet, Table } from './ruleset.ts'
import type { Statement } from './statements.ts'
import { type Change, createTable, removeTable, replaceTable } from './transaction.ts'
import { keyOf } from './values.ts'

const endpoints: NftSet = {
  name: 'endpoints',
  key: ['ipv4_addr', 'inet_proto', 'inet_service', 'index'],
  data: ['ipv4_addr', 'inet_service'],
}
const services: NftSet = { name: 'services', key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: ['mark'] }
const choices: NftSet = { name: 'choices', key: ['mark'], data: 'verdict' }
const sources: NftSet = { name: 'sources', key: ['ipv4_addr', 'ipv4_addr'], interval: true }
const ranges: NftSet = { name: 'ranges', key: ['ipv4_addr'], interval: true }
const affinity: NftSet = {
  name: 'affinity',
  key: ['ipv4_addr', 'ipv4_addr'],
  data: ['mark'],
  dynamic: true,
  timeoutMs: 0,
  size: 1000,
}
const counted: NftSet = { name: 'counted', key: ['ipv4_addr'], counter: true }
const counters: NftSet = { name: 'counters', key: ['ipv4_addr'], data: 'counter' }
const sets = [endpoints, services, choices, sources, ranges, affinity, counted, counters]
const frontend = ['ip daddr', 'meta l4proto', 'th dport'] as const

const chains: Chain[] = [
  {
    name: 'of-two',
    rules: [
      {
        statements: [{ kind: 'dnat', to: { map: 'endpoints', key: [...frontend, { numgen: 'random', modulus: 2 }] } }],
        comment: 'one of two',
      },
    ],
  },
  {
    name: 'prerouting',
    hook: { type: 'nat', hook: 'prerouting', priority: -100, policy: 'accept' },
    rules: [
      { statements: [{ kind: 'set', field: 'meta mark', to: { map: 'services', key: frontend } }] },
      { statements: [{ kind: 'vmap', key: 'meta mark', map: 'choices' }] },
    ],
  },
]
const table: Table = { family: 'ip', name: 'contract', sets, chains }
const web = keyOf(services.key, '10.96.0.1', 'tcp', 80)
const endpoint = (index: number, pod: string): Element => ({
  key: keyOf(endpoints.key, '10.96.0.1', 'tcp', 80, index),
  data: keyOf(['ipv4_addr', 'inet_service'], pod, 8080),
})
const content = new Map<NftSet, Element[]>([
  [endpoints, [{ ...endpoint(0, '10.244.0.5'), comment: 'default/web' }, endpoint(1, '10.244.0.6')]],
  [services, [{ key: web, data: keyOf(['mark'], 2) }]],
  [choices, [{ key: keyOf(['mark'], 2), verdict: { goto: 'of-two' } }]],
  [
    sources,
    [
      { key: keyOf(sources.key, '10.96.0.1', '10.0.0.0'), end: keyOf(sources.key, '10.96.0.1', '10.0.0.255') },
      { key: keyOf(sources.key, '10.96.0.1', '10.1.0.7') },
    ],
  ],
  [
    ranges,
    [
      { key: keyOf(['ipv4_addr'], '10.0.0.0'), end: keyOf(['ipv4_addr'], '10.0.0.255') },
      { key: keyOf(['ipv4_addr'], '10.0.1.0') },
      { key: keyOf(['ipv4_addr'], '240.0.0.0'), end: keyOf(['ipv4_addr'], '255.255.255.255') },
    ],
  ],
  [counters, [{ key: keyOf(['ipv4_addr'], '10.96.0.1'), counter: 'web' }]],
])
const elementsOf = (set: NftSet): Element[] => content.get(set) ?? []
const inOrder = (elements: readonly Element[]): Element[] => [...elements].sort((a, b) => (a.key < b.key ? -1 : 1))

/** What every {@link NftKernel} does, the fake like the real one. `open` gives an empty one; `other` is a second way into the same. */
export function nftKernelContract(
  name: string,
  open: () => Promise<{ kernel: NftKernel; other: NftKernel; close(): Promise<void> }>,
): void {
  let kernel: NftKernel, other: NftKernel, close: () => Promise<void>
  const apply = (...changes: Change[]): Promise<void> => kernel.apply({ table, changes })
  const refused = async (code: string, ...changes: Change[]): Promise<RefusedError> => {
    const before = await kernel.read('ip', 'contract')
    const error = await apply(...changes).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(RefusedError)
    expect((error as RefusedError).code).toBe(code)
    expect(await kernel.read('ip', 'contract')).toEqual(before)
    return error as RefusedError
  }
  const elementsIn = async (set: NftSet): Promise<Element[]> =>
    inOrder((await kernel.read('ip', 'contract'))?.sets.find((held) => held.name === set.name)?.elements ?? [])
  const load = (): Promise<void> => kernel.apply(createTable(table, elementsOf, ['web']))

  beforeEach(async () => {
    ;({ kernel, other, close } = await open())
  })
  afterEach(() => close())

  describe(`${name}: applying and reading back`, () => {
    it('holds what was applied, as it was meant', async () => {
      expect(await kernel.read('ip', 'contract')).toBeUndefined()
      await load()
      const held = await kernel.read('ip', 'contract')
      expect(held?.chains.map(({ name, hook, rules }) => ({ name, hook, rules: rules.map(({ expressions }) => expressions) }))).toEqual(
        chains.map(({ name, hook, rules }) => ({ name, hook, rules: rules.map((rule) => compileRule(table, rule)) })),
      )
      expect(held?.chains[0]?.rules[0]?.comment).toBe('one of two')
      for (const set of sets) expect(await elementsIn(set), set.name).toEqual(inOrder(elementsOf(set)))
      expect(held?.counters).toEqual([{ name: 'web', packets: 0, bytes: 0 }])
      expect((await kernel.readAll()).find(({ name }) => name === 'contract')).toEqual(held)
    })

    it('takes the same again, and replaces or removes the whole', async () => {
      await load()
      await apply({ kind: 'add table' }, ...sets.map((set) => ({ kind: 'add set', set }) as const))
      await apply({ kind: 'add elements', set: endpoints, elements: elementsOf(endpoints) })
      expect(await elementsIn(endpoints)).toEqual(inOrder(elementsOf(endpoints)))
      await kernel.apply(replaceTable({ ...table, chains: [] }, () => []))
      expect(await kernel.read('ip', 'contract')).toMatchObject({ chains: [], counters: [] })
      expect(await elementsIn(endpoints)).toEqual([])
      await kernel.apply(removeTable('ip', 'contract'))
      await kernel.apply(removeTable('ip', 'contract'))
      expect(await kernel.read('ip', 'contract')).toBeUndefined()
    })

    it('replaces an element, and rules, in one transaction', async () => {
      await load()
      await apply(
        { kind: 'delete elements', set: endpoints, elements: [endpoint(1, '0.0.0.0')] },
        { kind: 'add elements', set: endpoints, elements: [endpoint(1, '10.244.0.9')] },
        { kind: 'flush chain', chain: 'prerouting' },
        {
          kind: 'add rule',
          chain: 'prerouting',
          rule: { statements: [{ kind: 'counter' }, { kind: 'verdict', verdict: { jump: 'of-two' } }] },
        },
      )
      expect(await elementsIn(endpoints)).toEqual(inOrder([elementsOf(endpoints)[0] as Element, endpoint(1, '10.244.0.9')]))
      const rules = (await kernel.read('ip', 'contract'))?.chains[1]?.rules
      expect(rules?.map(({ expressions }) => expressions)).toEqual([
        [
          { name: 'counter', packets: 0, bytes: 0 },
          { name: 'immediate', verdict: { jump: 'of-two' } },
        ],
      ])
      await apply({ kind: 'delete rule', chain: 'prerouting', handle: rules?.[0]?.handle as number })
      expect((await kernel.read('ip', 'contract'))?.chains[1]?.rules).toEqual([])
    })

    it('deletes ranges, and flushes sets', async () => {
      await load()
      await apply(
        { kind: 'delete elements', set: ranges, elements: elementsOf(ranges).slice(0, 1) },
        { kind: 'delete elements', set: sources, elements: elementsOf(sources).slice(0, 1) },
        { kind: 'flush set', set: services },
      )
      expect(await elementsIn(ranges)).toEqual(elementsOf(ranges).slice(1))
      expect(await elementsIn(sources)).toEqual(elementsOf(sources).slice(1))
      expect(await elementsIn(services)).toEqual([])
    })

    it('takes more elements than fit one message', async () => {
      await load()
      const many = Array.from({ length: 5000 }, (_, index) => endpoint(index + 2, '10.244.0.7'))
      await apply({ kind: 'add elements', set: endpoints, elements: many })
      expect(await elementsIn(endpoints)).toHaveLength(5002)
      await apply({ kind: 'delete elements', set: endpoints, elements: many })
      expect(await elementsIn(endpoints)).toHaveLength(2)
    })

    it('keeps each kind of statement', async () => {
      await load()
      await apply(...everyStatement.map((statements) => ({ kind: 'add rule', chain: 'prerouting', rule: { statements } }) as const))
      const held = (await kernel.read('ip', 'contract'))?.chains[1]?.rules.slice(2)
      expect(held?.map(({ expressions }) => expressions)).toEqual(everyStatement.map((statements) => compileRule(table, { statements })))
    })
  })

  describe(`${name}: refusals, which change nothing`, () => {
    beforeEach(() => load())

    it('an element that is there with other data', async () => {
      const error = await refused('EEXIST', { kind: 'add elements', set: endpoints, elements: [endpoint(0, '10.244.9.9')] })
      expect(error.message).toContain('add element 10.96.0.1 . tcp . 80 . 0 : 10.244.9.9 . 8080 of set endpoints: EEXIST')
    })

    it('deleting what is not there', async () => {
      await refused('ENOENT', { kind: 'delete elements', set: services, elements: [{ key: keyOf(services.key, '10.96.0.2', 'tcp', 80) }] })
      await refused('ENOENT', { kind: 'delete chain', chain: 'none' })
      await refused('ENOENT', { kind: 'delete set', set: { ...services, name: 'none' } })
      await refused('ENOENT', { kind: 'delete rule', chain: 'prerouting', handle: 4_000_000 })
    })

    it('deleting what something refers to', async () => {
      await refused('EBUSY', { kind: 'delete chain', chain: 'of-two' })
      await refused('EBUSY', { kind: 'delete set', set: services })
      await refused('EBUSY', { kind: 'delete counter', counter: 'web' })
    })

    it('takes deleting it once nothing refers to it', async () => {
      await apply({ kind: 'flush chain', chain: 'prerouting' }, { kind: 'flush chain', chain: 'of-two' })
      await apply({ kind: 'flush set', set: choices })
      await apply({ kind: 'delete set', set: services }, { kind: 'delete chain', chain: 'of-two' })
      const held = await kernel.read('ip', 'contract')
      expect(held?.chains.map((chain) => chain.name)).toEqual(['prerouting'])
      expect(held?.sets.map((set) => set.name)).not.toContain('services')
    })

    it('naming what is not there', async () => {
      const jump: Statement = { kind: 'verdict', verdict: { jump: 'none' } }
      await refused('ENOENT', { kind: 'add rule', chain: 'prerouting', rule: { statements: [jump] } })
      await refused('ENOENT', { kind: 'add rule', chain: 'none', rule: { statements: [] } })
      const verdict = { key: keyOf(['mark'], 9), verdict: { goto: 'none' } } as const
      await refused('ENOENT', { kind: 'add elements', set: choices, elements: [verdict] })
      await refused('ENOENT', { kind: 'add elements', set: { ...services, name: 'none' }, elements: elementsOf(services) })
      const unknown = { ...table, sets: [...sets, { ...services, name: 'unknown' }] }
      const lookup: Statement = { kind: 'lookup', key: frontend, set: 'unknown' }
      const change: Change = { kind: 'add rule', chain: 'prerouting', rule: { statements: [lookup] } }
      await expect(kernel.apply({ table: unknown, changes: [change] })).rejects.toMatchObject({ code: 'ENOENT', change })
    })

    it('keys and data of another length', async () => {
      await refused('EINVAL', { kind: 'add elements', set: services, elements: [{ key: web.slice(4), data: keyOf(['mark'], 1) }] })
      const other = keyOf(services.key, '10.96.0.3', 'tcp', 80)
      await refused('EINVAL', { kind: 'add elements', set: services, elements: [{ key: other, data: '\x01\x02' }] })
    })

    it('chains that go round', async () => {
      const jump = (chain: string): Statement => ({ kind: 'verdict', verdict: { jump: chain } })
      await apply({ kind: 'add chain', chain: 'a' }, { kind: 'add chain', chain: 'b' })
      await refused(
        'EMLINK',
        { kind: 'add rule', chain: 'a', rule: { statements: [jump('b')] } },
        { kind: 'add rule', chain: 'b', rule: { statements: [jump('a')] } },
        { kind: 'add rule', chain: 'prerouting', rule: { statements: [jump('a')] } },
      )
    })

    it('translations and refusals where no packet can be translated or refused', async () => {
      const forward: Change = { kind: 'add chain', chain: 'forwarded', hook: { type: 'filter', hook: 'forward', priority: 0 } }
      const rule = (chain: string, ...statements: Statement[]): Change => ({ kind: 'add rule', chain, rule: { statements } })
      await refused('EOPNOTSUPP', rule('prerouting', { kind: 'masquerade' }))
      await refused('EOPNOTSUPP', forward, rule('forwarded', { kind: 'verdict', verdict: { jump: 'of-two' } }))
      await refused('EOPNOTSUPP', rule('of-two', { kind: 'snat', to: { address: '10.0.0.1' } }))
      const after: Change = { kind: 'add chain', chain: 'after', hook: { type: 'nat', hook: 'postrouting', priority: 100 } }
      await refused('EOPNOTSUPP', after, rule('after', { kind: 'reject', with: 'port-unreachable' }))
      await apply(forward, rule('forwarded', { kind: 'reject', with: 'port-unreachable' }))
      await apply(after, rule('after', { kind: 'masquerade', flags: ['fully-random'] }))
    })

    it('going to a chain that stands at a hook', async () => {
      const verdict = { jump: 'prerouting' }
      await refused('EOPNOTSUPP', { kind: 'add rule', chain: 'of-two', rule: { statements: [{ kind: 'verdict', verdict }] } })
    })

    it('ranges that overlap, and one element more than a set takes', async () => {
      const overlapping = { key: keyOf(['ipv4_addr'], '10.0.0.128'), end: keyOf(['ipv4_addr'], '10.0.2.0') }
      await refused('EEXIST', { kind: 'add elements', set: ranges, elements: [overlapping] })
      const few: NftSet = { name: 'few', key: ['ipv4_addr'], size: 2 }
      const three = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((address) => ({ key: keyOf(few.key, address) }))
      await apply({ kind: 'add set', set: few }, { kind: 'add elements', set: few, elements: three.slice(0, 2) })
      await refused('ENFILE', { kind: 'add elements', set: few, elements: three.slice(2) })
    })

    it('a table that is not there', async () => {
      const change: Change = { kind: 'add chain', chain: 'a' }
      await expect(kernel.apply({ table: { ...table, name: 'none' }, changes: [change] })).rejects.toMatchObject({ code: 'ENOENT', change })
    })

    it('all of a transaction for one change of it', async () => {
      const error = await refused(
        'ENOENT',
        { kind: 'add elements', set: endpoints, elements: [endpoint(7, '10.244.0.7')] },
        { kind: 'flush chain', chain: 'prerouting' },
        { kind: 'delete chain', chain: 'none' },
        { kind: 'add chain', chain: 'more' },
      )
      expect(error.change).toEqual({ kind: 'delete chain', chain: 'none' })
    })
  })

  describe(`${name}: changes by others`, () => {
    it('are told, own ones and those to other tables are not', async () => {
      await load()
      await other.apply(createTable({ ...table, name: 'elsewhere', chains: [] }, () => []))
      let told = 0
      let tell: (() => void) | undefined
      const stop = kernel.whenChangedByOthers('ip', 'contract', () => {
        told++
        tell?.()
      })
      const next = (): Promise<void> => new Promise((resolve) => (tell = resolve))
      await apply({ kind: 'add elements', set: endpoints, elements: [endpoint(3, '10.244.0.7')] })
      await other.apply({ table: { ...table, name: 'elsewhere' }, changes: [{ kind: 'add chain', chain: 'new' }] })
      const first = next()
      await other.apply({ table, changes: [{ kind: 'delete elements', set: endpoints, elements: [endpoint(3, '0.0.0.0')] }] })
      await first
      expect(told).toBe(1)
      const second = next()
      await other.apply(removeTable('ip', 'contract'))
      await second
      stop()
      await other.apply(removeTable('ip', 'elsewhere'))
      expect(told).toBeGreaterThanOrEqual(2)
    })
  })
}

const everyStatement: Statement[][] = [
  [{ kind: 'match', key: 'ip saddr', op: '!=', value: '10.244.0.0/14' }],
  [
    { kind: 'match', key: 'meta l4proto', value: 'tcp' },
    { kind: 'match', key: 'th dport', value: '30000-32767' },
  ],
  [{ kind: 'match', key: 'th sport', op: '!=', value: '1-1023' }],
  [{ kind: 'match', key: 'th dport', op: '>', value: 1023 }],
  [{ kind: 'match', key: 'meta mark', op: '>=', value: 5 }],
  [{ kind: 'match', key: { of: 'meta mark', mask: 0x4000 }, value: 0x4000 }],
  [{ kind: 'match', key: { of: 'ct mark', mask: 0xff00, shift: 8 }, value: 3 }],
  [{ kind: 'match', key: 'ct state', value: 'new,related' }],
  [{ kind: 'match', key: 'ct status', op: '!=', value: 'dnat' }],
  [{ kind: 'match', key: 'ct direction', value: 'reply' }],
  [{ kind: 'match', key: 'ct original ip daddr', value: '10.96.0.1' }],
  [{ kind: 'match', key: 'ct original proto-dst', value: 80 }],
  [{ kind: 'match', key: 'fib daddr type', value: 'local' }],
  [{ kind: 'match', key: 'fib daddr . iif type', op: '!=', value: 'local' }],
  [{ kind: 'match', key: 'iifname', value: 'eth0' }],
  [{ kind: 'match', key: 'meta nfproto', value: 'ipv4' }],
  [{ kind: 'match', key: 'meta skuid', value: 1000 }],
  [{ kind: 'lookup', key: ['ip saddr', 'ip daddr'], set: 'sources', not: true }],
  [
    { kind: 'lookup', key: 'ip saddr', set: 'counted' },
    { kind: 'verdict', verdict: 'return' },
  ],
  [{ kind: 'set', field: 'meta mark', to: 0x4000 }],
  [{ kind: 'set', field: 'meta mark', to: { keep: 0xffff, add: 0x4000 } }],
  [{ kind: 'set', field: 'meta mark', to: { numgen: 'random', modulus: 3, offset: 1 } }],
  [{ kind: 'set', field: 'meta mark', to: { map: 'affinity', key: ['ip saddr', 'ip daddr'] } }],
  [{ kind: 'set', field: 'ct mark', to: 'meta mark' }],
  [{ kind: 'set', field: 'meta nftrace', to: 1 }],
  [{ kind: 'dynset', op: 'update', set: 'affinity', key: ['ip saddr', 'ip daddr'], data: 'meta mark', timeoutMs: 10_800_000 }],
  [
    { kind: 'match', key: 'meta l4proto', value: 'udp' },
    { kind: 'dnat', to: { address: '10.0.0.1', port: 53 }, flags: ['random', 'persistent'] },
  ],
  [
    { kind: 'match', key: 'meta l4proto', value: 'tcp' },
    { kind: 'redirect', port: 8080 },
  ],
  [{ kind: 'counter' }],
  [{ kind: 'counter', counter: 'web' }],
  [{ kind: 'counter', counter: { map: 'counters', key: 'ip daddr' } }],
]
